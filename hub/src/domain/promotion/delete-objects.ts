import type { StageName } from '@fairlead/shared/ids';
import { ok } from '@fairlead/shared/result';
import type { PipelineCommand } from './commands.ts';
import { type Decision, refuse } from './decision.ts';
import type { RolloutTarget } from './events.ts';
import { type FleetView, fleetView } from './fleet-view.ts';
import { refuseFrozen } from './override.ts';
import { values } from './persistent-map.ts';
import type { ActivePipeline, RemovedPipeline } from './state.ts';

/** Orders that one decision gives. */
const ordersAtOnceMax = 900;

type Candidate = RolloutTarget & { readonly stage: StageName; readonly objects: number };

/**
 * The second order: deletes what removing a pipeline, a stage or a label left in place. What a pipeline still assigns is
 * never deleted by it. The person names how many objects were shown; each agent is told its part, and holds more than that.
 */
export function deleteObjects(
  state: ActivePipeline | RemovedPipeline,
  command: Extract<PipelineCommand, { type: 'delete-objects' }>,
): Decision {
  const fleet = fleetView(command.snapshot);
  const candidates = candidatesOf(state, command, fleet);
  if (candidates.length === 0) return refuse('nothing_to_delete', nothingText(state, command));
  if (candidates.length > ordersAtOnceMax) {
    return refuse(
      'too_many_targets',
      `${candidates.length} targets; one order takes ${ordersAtOnceMax}: name a stage or a cluster.`,
    );
  }
  const objects = candidates.reduce((sum, candidate) => sum + candidate.objects, 0);
  if (objects !== command.objects) {
    return refuse(
      'objects_have_changed',
      `${objects} objects are left in place, and the order names ${command.objects}. Look again.`,
    );
  }
  const frozen = frozenAmong(state, candidates, fleet);
  if (frozen !== undefined) return frozen;
  return ok(
    candidates.map(({ stage, cluster, clusterName, objects: objectsMax }, index) => ({
      type: 'TargetWithdrawn',
      stage,
      cluster,
      clusterName,
      generation: state.generation + 1 + index,
      disposition: 'delete',
      cause: 'deletion-ordered',
      at: fleet.at,
      objectsMax,
      reason: command.reason,
    })),
  );
}

/** An order to delete changes what runs as an assignment does; it can wait for the end of a freeze. */
function frozenAmong(
  state: ActivePipeline | RemovedPipeline,
  candidates: readonly Candidate[],
  fleet: FleetView,
): Decision | undefined {
  const definition = state.definitions.get(state.revision);
  if (definition === undefined) return undefined;
  for (const stage of new Set(candidates.map((candidate) => candidate.stage))) {
    const refused = refuseFrozen({ definition }, { name: stage }, fleet);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

function candidatesOf(
  state: ActivePipeline | RemovedPipeline,
  { inStage, cluster: only }: Extract<PipelineCommand, { type: 'delete-objects' }>,
  fleet: FleetView,
): Candidate[] {
  return [...state.stages].flatMap(([stage, { targets, withdrawn }]) => {
    if (inStage !== undefined && inStage !== stage) return [];
    // A removed pipeline assigns nothing any more, whether or not its targets have been told yet.
    const left = state.status === 'removed' ? [...values(targets)] : [];
    return [...values(withdrawn), ...left].flatMap(({ cluster, clusterName }): Candidate[] => {
      if (only !== undefined && only !== cluster) return [];
      const known = fleet.clusters.get(cluster);
      // Nobody is there to carry it out: a removed or revoked cluster is out of reach for good.
      if (known === undefined || known.status === 'revoked') return [];
      const objects = fleet.reportOf(stage, cluster)?.objectsTotal ?? 0;
      return [{ stage, cluster, clusterName, objects }];
    });
  });
}

function nothingText(
  state: ActivePipeline | RemovedPipeline,
  { inStage, cluster }: Extract<PipelineCommand, { type: 'delete-objects' }>,
): string {
  const assigned = [...state.stages]
    .filter(([stage]) => inStage === undefined || inStage === stage)
    .flatMap(([, { targets }]) => [...values(targets)])
    .filter((target) => cluster === undefined || target.cluster === cluster);
  if (state.status === 'removed' || assigned.length === 0) return 'No objects are left in place.';
  const names = assigned.slice(0, 5).map(({ clusterName }) => clusterName);
  return (
    `Nothing is left in place: ${names.join(', ')} still ${assigned.length === 1 ? 'is' : 'are'} ` +
    'assigned. Remove the pipeline or the stage, or change the labels, first.'
  );
}

import type { ClusterId } from '@fairlead/shared/ids';
import type { PipelineDefinition, StageDefinition } from '../pipeline/definition.ts';
import { resolvePath, treeRoot } from '../rollout/index.ts';
import { isSettledOn, newestEligible, supersededBy } from './candidate.ts';
import type { PipelineEvent, ReportEvidence } from './events.ts';
import { clustersOf, evidenceFor, type FleetView, lastSaid } from './fleet-view.ts';
import { get } from './persistent-map.ts';
import { assign } from './plan-rollout.ts';
import type { ClusterSnapshot, TargetReport } from './snapshot.ts';
import { type ActivePipeline, stageState, type TargetState } from './state.ts';

/** What the targets of the running rollout have proven since the last look. */
export function targetOutcomes(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const { rollout, targets } = stageState(state, stage.name);
  if (rollout === undefined) return [];
  return rollout.targets.flatMap(({ cluster, clusterName }): PipelineEvent[] => {
    const target = get(targets, cluster);
    if (target?.rolloutId !== rollout.id || get(rollout.outcomes, cluster)) return [];
    const report = evidenceFor(fleet, stage.name, target);
    if (report === undefined) return [];
    const outcome = { stage: stage.name, rolloutId: rollout.id, cluster, clusterName };
    const evidence = evidenceOf(report);
    if (['settled', 'prune-held'].includes(report.phase) && report.health === 'healthy') {
      return [{ type: 'TargetSucceeded', ...outcome, evidence }];
    }
    if (report.phase === 'failed' && report.terminal) {
      return [{ type: 'TargetFailed', ...outcome, message: report.message, evidence }];
    }
    return [];
  });
}

const evidenceOf = (report: TargetReport): ReportEvidence => {
  const { agentEpoch, sequence, generation, commit, receivedAt } = report;
  return { agentEpoch, sequence, generation, commit, receivedAt };
};

/** The end of the running rollout, if there is one: what was proven comes before the deadline. */
export function rolloutEnd(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const { rollout, targets } = stageState(state, stage.name);
  if (rollout === undefined) return [];
  const { id: rolloutId, release } = rollout;
  const ended = { stage: stage.name, rolloutId, release };
  const fail = (
    code: 'progress_deadline_exceeded' | 'target_failed' | 'no_targets',
    message: string,
  ): PipelineEvent[] => [
    { type: 'RolloutFailed', ...ended, failure: { code, message }, at: fleet.at },
  ];

  if (rollout.targets.length === 0) {
    return fail('no_targets', 'every target left the stage before the rollout ended');
  }
  const failed = rollout.targets.flatMap(({ cluster, clusterName }) => {
    const outcome = get(rollout.outcomes, cluster);
    return outcome?.outcome === 'failed' ? [`${clusterName}: ${outcome.message}`] : [];
  });
  if (failed.length > 0) return fail('target_failed', listed(failed));
  const open = rollout.targets.filter(({ cluster }) => !get(rollout.outcomes, cluster));
  const targetsTotal = rollout.targets.length;
  if (open.length === 0) {
    const targetsSucceeded = targetsTotal;
    const counts = { targetsSucceeded, targetsTotal };
    return [{ type: 'RolloutSucceeded', ...ended, ...counts, at: fleet.at }];
  }
  if (fleet.at < rollout.deadlineAt) return [];
  const said = open.map(({ cluster, clusterName }) => {
    const target = get(targets, cluster);
    return target?.rolloutId === rolloutId
      ? lastSaid(fleet, stage.name, target)
      : `${clusterName} could not be assigned`;
  });
  const healthy = `${targetsTotal - open.length} of ${targetsTotal} targets became healthy`;
  return fail('progress_deadline_exceeded', `${healthy}; ${listed(said)}`);
}

const listedMax = 20;
/** A failure is read by a person: of a thousand clusters it names the first few and counts the rest. */
const listed = (items: readonly string[]): string =>
  items.slice(0, listedMax).join('; ') +
  (items.length > listedMax ? `; and ${items.length - listedMax} more` : '');

/** Whether the stage is healthy with the release that it settled on; an event only on a change. */
export function healthChange(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const { stay, rollout, lastRollout, targets } = stageState(state, stage.name);
  if (stay === undefined || rollout !== undefined) return [];
  const members = (lastRollout?.targets ?? []).flatMap(
    ({ cluster }) => get(targets, cluster) ?? [],
  );
  const { health, message } = stageHealth(members, stay.health, (target) => ({
    offline: fleet.clusters.get(target.cluster)?.status !== 'connected',
    report: evidenceFor(fleet, stage.name, target),
    said: () => lastSaid(fleet, stage.name, target),
  }));
  if (health === stay.health) return [];
  const { release } = stay;
  const { at, watchedMs } = fleet;
  const change = { stage: stage.name, release, health, message, at, watchedMs };
  return [{ type: 'StageHealthChanged', ...change }];
}

/**
 * The worst of the targets that the rollout had; a late joiner neither delays nor breaks a soak. After its success a
 * target that progresses again (an autoscaler, a node drained) is as healthy as it was.
 */
function stageHealth(
  members: readonly TargetState[],
  before: 'healthy' | 'unhealthy' | 'unknown' | undefined,
  look: (target: TargetState) => {
    offline: boolean;
    report: TargetReport | undefined;
    said: () => string;
  },
): { health: 'healthy' | 'unhealthy' | 'unknown'; message: string } {
  if (members.length === 0) return { health: 'unknown', message: 'the stage has no targets' };
  const unhealthy: string[] = [];
  const unknown: string[] = [];
  let progressing = false;
  for (const target of members) {
    const { offline, report, said } = look(target);
    if (report?.phase === 'failed' || ['degraded', 'missing'].includes(report?.health ?? '')) {
      unhealthy.push(said());
    } else if (offline || report === undefined || report.health === 'unknown') unknown.push(said());
    else if (report.health !== 'healthy') progressing = true;
  }
  if (unhealthy.length > 0) return { health: 'unhealthy', message: listed(unhealthy) };
  if (unknown.length > 0) return { health: 'unknown', message: listed(unknown) };
  if (progressing) return { health: before ?? 'unknown', message: 'a target is progressing' };
  return { health: 'healthy', message: '' };
}

/** Releases that wait for the stage while a newer one may come: they never will. */
export function supersessions(state: ActivePipeline, stage: StageDefinition): PipelineEvent[] {
  const by = newestEligible(state, stage);
  if (by === undefined) return [];
  return supersededBy(state, stage, by).map(({ commit }) => ({
    type: 'ReleaseSuperseded',
    stage: stage.name,
    release: commit,
    by: by.commit,
  }));
}

/**
 * Assignments outside of a rollout: clusters that joined late get the last release that succeeded here, and settled
 * targets get what changed in the definition or in their labels. A running rollout keeps what it started with.
 */
export function reassignments(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const { rollout, current, targets } = stageState(state, stage.name);
  const planned = new Set<ClusterId>(rollout?.targets.map(({ cluster }) => cluster));
  const settled = current !== undefined && isSettledOn(state, stage.name, current.release);
  // What passed without a rollout is the same content: its targets keep the assignment that they have.
  const runs = current?.runs ?? current?.release;
  let { generation } = state;
  const assigned = (
    cluster: ClusterSnapshot,
    release: TargetState['release'],
    cause: 'late-join' | 'definition-changed',
  ) => {
    const events = assign(stage, cluster, {
      release,
      generation: generation + 1,
      definitionRevision: state.revision,
      cause,
      at: fleet.at,
    });
    generation += events.length;
    return events;
  };
  const changed = configurationChanges(state, stage);
  return clustersOf(stage, fleet).flatMap((cluster) => {
    if (planned.has(cluster.id)) return [];
    const target = get(targets, cluster.id);
    if (runs !== undefined && target === undefined) return assigned(cluster, runs, 'late-join');
    if (target === undefined || rollout !== undefined) return [];
    if (settled && runs !== undefined && target.release !== runs) {
      return assigned(cluster, runs, 'late-join');
    }
    return changed(target, resolvePath(stage.path, cluster))
      ? assigned(cluster, target.release, 'definition-changed')
      : [];
  });
}

/** Tells whether a target would run otherwise by the definition in force than by the one it was assigned with. */
function configurationChanges(state: ActivePipeline, stage: StageDefinition) {
  const policies = (definition: PipelineDefinition | undefined) => {
    const named = definition?.stages.find(({ name }) => name === stage.name);
    return JSON.stringify([named?.render, named?.apply]);
  };
  const inForce = policies(state.definition);
  const sameByRevision = new Map<number, boolean>();
  const same = (revision: number): boolean => {
    const known = sameByRevision.get(revision);
    if (known !== undefined) return known;
    const result = policies(state.definitions.get(revision)) === inForce;
    sameByRevision.set(revision, result);
    return result;
  };
  return (target: TargetState, { path, missing }: { path: string; missing: string[] }): boolean => {
    if (missing.length > 0) return false;
    if (path !== target.path) return true;
    if (target.revision === state.revision) return false;
    const include = state.definitions.get(target.revision)?.include ?? [];
    const rootChanged = treeRoot(include, path) !== treeRoot(state.definition.include, path);
    return rootChanged || !same(target.revision);
  };
}

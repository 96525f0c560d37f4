import type { ClusterId } from '@fairlead/shared/ids';
import type { PipelineDefinition, StageDefinition } from '../pipeline/definition.ts';
import { stageNamed } from '../pipeline/index.ts';
import { resolvePath, treeRoot } from '../rollout/index.ts';
import { agentFault } from './agent-version.ts';
import { isSettledOn, newestEligible, passedAsControl, supersededBy } from './candidate.ts';
import type { PipelineEvent } from './events.ts';
import { clustersOf, evidenceFor, type FleetView, lastSaid, listed } from './fleet-view.ts';
import { evaluateGates, isOpen } from './gates/index.ts';
import { get, values } from './persistent-map.ts';
import { assign } from './plan-rollout.ts';
import type { ClusterSnapshot, TargetReport } from './snapshot.ts';
import {
  type ActivePipeline,
  releaseOf,
  type StageState,
  stageState,
  type TargetState,
} from './state.ts';

/** Whether the stage is healthy with the release that it settled on; an event only on a change. */
export function healthChange(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const inStage = stageState(state, stage.name);
  const { stay, rollout } = inStage;
  if (stay === undefined || rollout !== undefined) return [];
  const { health, message } = stageHealth(membersOf(inStage), stay.health, (target) => ({
    isFlapping: (report) => isFlapping(report, fleet.at),
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
 * Targets by which the stage's health is told: those that the last rollout succeeded with, so that neither a late joiner
 * nor one that it went on without changes what was proven. After a return, and where those have all left, all of them are.
 */
function membersOf({ lastRollout, targets }: StageState): readonly TargetState[] {
  if (lastRollout === undefined || lastRollout.undoes !== undefined) return [...values(targets)];
  const { outcomes } = lastRollout;
  const proven = lastRollout.targets.flatMap(({ cluster }) =>
    get(outcomes, cluster)?.outcome === 'succeeded' ? (get(targets, cluster) ?? []) : [],
  );
  return proven.length > 0 ? proven : [...values(targets)];
}

/** More breaks than this in one generation, and only a quiet time makes the stage healthy again. */
export const healthBreaksMax = 5;
export const quietAfterBreaksMs = 60_000;

/** A target that comes and goes would else write two decisions each time. */
const isFlapping = (report: TargetReport, at: number): boolean =>
  (report.healthBreaks ?? 0) > healthBreaksMax &&
  at - (report.healthySince ?? report.receivedAt) < quietAfterBreaksMs;

/**
 * The worst of its members; a late joiner neither delays nor breaks a soak. After its success a
 * target that progresses again (an autoscaler, a node drained) is as healthy as it was.
 */
function stageHealth(
  members: readonly TargetState[],
  before: 'healthy' | 'unhealthy' | 'unknown' | undefined,
  look: (target: TargetState) => {
    isFlapping: (report: TargetReport) => boolean;
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
    const { offline, report, said, isFlapping } = look(target);
    if (report?.phase === 'failed' || ['degraded', 'missing'].includes(report?.health ?? '')) {
      unhealthy.push(said());
    } else if (offline || report === undefined || report.health === 'unknown') unknown.push(said());
    else if (before === 'unhealthy' && isFlapping(report))
      unhealthy.push(`${said()} again, and comes and goes`);
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
  const { rollout, lastRollout, current, targets } = stageState(state, stage.name);
  const planned = new Set<ClusterId>(rollout?.targets.map(({ cluster }) => cluster));
  // What was returned to its own former release stays there.
  const settled =
    current !== undefined &&
    lastRollout?.undoes === undefined &&
    isSettledOn(state, stage.name, current.release);
  // What passed without a rollout is the same content: its targets keep the assignment that they have.
  const runs = current && !passedAsControl(current) ? (current.runs ?? current.release) : undefined;
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
  const events = clustersOf(stage, fleet).flatMap((cluster) => {
    if (planned.has(cluster.id) || agentFault(cluster)) return [];
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
  return events.length > 0 && isFrozen(state, stage, fleet) ? [] : events;
}

/** A freeze holds assignments that nobody asked for as well: they follow when it ends. */
function isFrozen(state: ActivePipeline, stage: StageDefinition, fleet: FleetView): boolean {
  const inStage = stageState(state, stage.name);
  const release = inStage.current && releaseOf(state, inStage.current.release);
  if (release === undefined) return false;
  const context = { state, stage, inStage, release, at: fleet.at, fleet };
  return evaluateGates(context, ['freeze']).some((gate) => !isOpen(gate));
}

/** Tells whether a target would run otherwise by the definition in force than by the one it was assigned with. */
function configurationChanges(state: ActivePipeline, stage: StageDefinition) {
  const policies = (definition: PipelineDefinition | undefined) => {
    const named = stageNamed(definition, stage.name);
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

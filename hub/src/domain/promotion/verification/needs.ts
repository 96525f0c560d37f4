import type { CommitId, StageName } from '@fairlead/shared/ids';
import type { StageDefinition, VerificationRule } from '../../pipeline/definition.ts';
import { stageNamed } from '../../pipeline/index.ts';
import { clustersOf, type FleetView } from '../fleet-view.ts';
import { type GateContext, healthGate } from '../gates/index.ts';
import { values } from '../persistent-map.ts';
import { type ClusterSnapshot, verificationsFeature } from '../snapshot.ts';
import { stagesBefore } from '../stages-before.ts';
import {
  type ActivePipeline,
  type KnownRelease,
  type StageState,
  short,
  stageState,
} from '../state.ts';
import type { VerificationRun } from './state.ts';

/** One Job that must have passed with the release: by a rule, in one stage, and for `clusters: all` in one cluster. */
export type Need = {
  readonly rule: VerificationRule;
  readonly inStage: StageName;
  /** The newest run under the rule as it is now. */
  readonly run?: VerificationRun;
  /** Where a run may start now. */
  readonly cluster?: ClusterSnapshot;
  /** Why none may start now, in words; empty when one may. */
  readonly waits: string;
};

/** Everything that the stage's rules ask of the release, whether it has run or not. */
export function needsOf(context: GateContext): Need[] {
  return context.stage.gates.verifications.flatMap((rule) =>
    placesOf(context, rule).flatMap((place) => needsIn(context, rule, place)),
  );
}

/**
 * The stages whose clusters run the Job: those that the release comes from, or the stage itself where none comes before.
 * Where one stage before is enough, a run that was begun in one of them is not begun again in another.
 */
function placesOf(
  { state, stage, inStage, release, fleet }: GateContext,
  { name, in: named }: VerificationRule,
): StageName[] {
  if (named.length > 0) return [...named];
  const { commit } = release;
  const begun = inStage.verifications.findLast(
    (run) => run.name === name && run.release === commit,
  );
  if (stage.afterMode === 'any' && begun) return [begun.inStage];
  const before = stagesBefore(state, stage, { commit, watchedMs: fleet.watchedMs });
  return before.length === 0 ? [stage.name] : before;
}

function needsIn(context: GateContext, rule: VerificationRule, inStage: StageName): Need[] {
  const { release, fleet } = context;
  const notReady = readiness(context, inStage);
  const members = membersOf(context, inStage);
  const runs = context.inStage.verifications.filter(
    (run) =>
      run.name === rule.name &&
      run.release === release.commit &&
      run.inStage === inStage &&
      isSameRule(context, run, rule),
  );
  const place = { rule, inStage };
  if (rule.clusters === 'all' && members.length === 0 && runs.length > 0) {
    // The stage has gone on to another release: what each cluster said last is what there is.
    const newest = new Map(runs.map((run) => [run.cluster, run]));
    return [...newest.values()].map((run) => ({ ...place, run, waits: notReady }));
  }
  if (members.length === 0 || rule.clusters === 'one') {
    const cluster = members.find((member) => faultOf(member) === '');
    const run = runs.at(-1);
    const faults = members.map(faultOf).join('; ');
    const nobody = faults || `no cluster of ${inStage} runs ${short(release.commit)}`;
    return [
      {
        ...place,
        ...(run ? { run } : {}),
        ...(cluster ? { cluster } : {}),
        waits: notReady || (cluster ? '' : nobody),
      },
    ];
  }
  return members.map((cluster) => {
    const run = runs.findLast((candidate) => candidate.cluster === cluster.id);
    const known = fleet.clusters.get(cluster.id) ?? cluster;
    return { ...place, ...(run ? { run } : {}), cluster, waits: notReady || faultOf(known) };
  });
}

/** A run by other words proves nothing about these. */
function isSameRule(
  { state, stage }: GateContext,
  run: VerificationRun,
  rule: VerificationRule,
): boolean {
  if (run.revision === state.revision) return true;
  const before = stageNamed(state.definitions.get(run.revision), stage.name);
  const then = before?.gates.verifications.find(({ name }) => name === run.name);
  return JSON.stringify(then) === JSON.stringify(rule);
}

/** Why the release is not yet where the Job is to look at it; empty when it is. */
function readiness(context: GateContext, inStage: StageName): string {
  const { state, stage, release } = context;
  if (inStage === stage.name) {
    const health = healthGate(context);
    return health === undefined || health.passed ? '' : health.detail.replace(/\.$/, '');
  }
  const name = short(release.commit);
  const { stay } = stageState(state, inStage);
  if (stay?.release !== release.commit) return `${inStage} does not run ${name}`;
  if (stay.health === 'healthy') return '';
  const why = stay.message ? `: ${stay.message}` : '';
  return `${inStage} is ${stay.health ?? 'unknown'} with ${name}${why}`;
}

/** By name. In the stage itself the release is not there yet: every cluster of it will do. */
function membersOf(context: GateContext, inStage: StageName): readonly ClusterSnapshot[] {
  const { state, stage, fleet } = context;
  if (inStage === stage.name) return clustersOf(stage, fleet);
  const { targets, current } = stageState(state, inStage);
  const { commit } = context.release;
  // What passed without a rollout runs under the name of the release that it is equal to.
  const runs = current?.release === commit ? (current.runs ?? commit) : commit;
  return [...values(targets)]
    .filter((target) => target.release === commit || target.release === runs)
    .flatMap(({ cluster }) => fleet.clusters.get(cluster) ?? [])
    .sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
}

/** Why the cluster can run no Job now; empty when it can. */
function faultOf({ name, status, features }: ClusterSnapshot): string {
  if (status !== 'connected') return `${name} is ${status}`;
  if (features === undefined) return `the agent of ${name} has not said yet what it can do`;
  return features.includes(verificationsFeature)
    ? ''
    : `the agent of ${name} is too old for verifications: upgrade it`;
}

/** Whether a newer run contradicts one by which the release was let in: the newest of a name and place has not passed. */
export function isRevoked({ verifications }: StageState, release: CommitId): boolean {
  const ofRelease = verifications.filter((run) => run.release === release);
  return ofRelease.some(
    (run, index) =>
      run.ended?.outcome !== 'passed' &&
      ofRelease
        .slice(0, index)
        .some(
          (before) =>
            before.name === run.name &&
            before.inStage === run.inStage &&
            before.ended?.outcome === 'passed',
        ) &&
      !ofRelease
        .slice(index + 1)
        .some(
          (after) =>
            after.name === run.name &&
            after.inStage === run.inStage &&
            after.cluster === run.cluster,
        ),
  );
}

/** What the rules and gates look at, of one release in one stage. */
export const contextOf = (
  state: ActivePipeline,
  stage: StageDefinition,
  { release, fleet }: { readonly release: KnownRelease; readonly fleet: FleetView },
): GateContext => ({
  state,
  stage,
  inStage: stageState(state, stage.name),
  release,
  at: fleet.at,
  fleet,
});

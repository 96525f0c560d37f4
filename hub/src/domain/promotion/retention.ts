import type { CommitId } from '@fairlead/shared/ids';
import { entries, values } from './persistent-map.ts';
import type { ActivePipeline, ActiveRollout, StageState } from './state.ts';

/**
 * Releases whose commits must stay fetchable: what runs or is rolled out, what a rollback or a return could go back to,
 * what was asked for, waits, is under approval or verification, and all that may still come to a stage.
 */
export function retainedReleases(state: ActivePipeline): ReadonlySet<CommitId> {
  const retained = new Set<CommitId>();
  for (const stage of state.stages.values()) {
    for (const commit of retainedIn(stage)) if (commit !== undefined) retained.add(commit);
  }
  const position = oldestPresent(state);
  for (const release of state.releases) {
    if (release.position >= position) retained.add(release.commit);
  }
  return retained;
}

function retainedIn(stage: StageState): (CommitId | undefined)[] {
  const { current, history, rollout, lastRollout, request, waiting, pinned, stay } = stage;
  return [
    ...[current, ...history].flatMap((success) => [success?.release, success?.runs]),
    ...[rollout, lastRollout].flatMap((one) => (one ? plannedCommits(one) : [])),
    ...[...values(stage.targets)].map(({ release }) => release),
    request?.release,
    waiting?.release,
    pinned,
    stay?.release,
    ...[...values(stage.approvals)].flatMap(({ status, release }) =>
      status === 'open' ? release : [],
    ),
    ...[...stage.verifications, ...stage.analyses].flatMap(({ ended, release }) =>
      ended === undefined ? release : [],
    ),
    ...[...entries(stage.releases)].flatMap(([commit, { outcome }]) =>
      outcome === 'running' || outcome === 'rolled-back' ? commit : [],
    ),
  ];
}

const plannedCommits = ({
  release,
  targets,
}: Pick<ActiveRollout, 'release' | 'targets'>): (CommitId | undefined)[] => [
  release,
  ...targets.flatMap((target) => [target.previous, target.release]),
];

/** Position of the oldest release that a stage runs: what is newer may still come to that stage. */
function oldestPresent({ definition, stages, releases }: ActivePipeline): number {
  const positions = new Map(releases.map(({ commit, position }) => [commit, position]));
  return Math.min(
    ...definition.stages.map(({ name }) => {
      const present = stages.get(name)?.current?.release;
      return (present && positions.get(present)) ?? 0;
    }),
  );
}

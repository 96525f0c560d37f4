import type { RolloutDocument } from '../../http/index.ts';
import { segment } from '../api-client.ts';
import type { TableContent } from '../output.ts';
import type { Session } from '../session.ts';
import { relativeTime, shortCommit } from '../words.ts';

/** Of one pipeline, or of all; newest first. */
export async function printRollouts(session: Session, pipeline: string | undefined): Promise<void> {
  const path = pipeline === undefined ? '/rollouts' : `/pipelines/${segment(pipeline)}/rollouts`;
  const items = session.api.items<RolloutDocument>(path);
  await session.printItems(items, (rollouts) => rolloutsTable(rollouts, session.now));
}

export function rolloutsTable(rollouts: readonly RolloutDocument[], now: number): TableContent {
  return {
    columns: ['rollout', 'stage', 'release', 'kind', 'state', 'wave', 'targets', 'started'],
    rows: rollouts.map((rollout) => [
      rollout.id,
      `${rollout.pipeline}/${rollout.stage}`,
      shortCommit(rollout.release),
      rollout.kind,
      rollout.paused === undefined ? rollout.state : `paused: ${rollout.paused.reason}`,
      `${rollout.batch} of ${rollout.batches.length}`,
      targetsText(rollout),
      relativeTime(rollout.startedAt, now),
    ]),
    empty: 'No rollouts yet.',
  };
}

function targetsText({ targets }: RolloutDocument): string {
  const count = (wanted: RolloutDocument['targets'][number]['state']) =>
    targets.filter(({ state }) => state === wanted).length;
  const others = (['failed', 'skipped'] as const)
    .map((state) => [count(state), state] as const)
    .filter(([number]) => number > 0)
    .map(([number, state]) => `, ${number} ${state}`);
  return `${count('succeeded')} of ${targets.length} healthy${others.join('')}`;
}

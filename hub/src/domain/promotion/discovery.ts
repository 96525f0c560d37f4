import { formatInstant, type Instant } from '@fairlead/shared/time';
import type { FoundRelease, PipelineCommand } from './commands.ts';
import type { PipelineEvent, Release } from './events.ts';
import { type ActivePipeline, type AwaitedRelease, short } from './state.ts';

type Unconcerned = Release['unconcerned'];

/**
 * Releases in first-parent order, whatever the order of discovery; what a force-push dropped is never a candidate. A commit
 * that is no release by itself (values that do not agree, another that followed too soon) is part of the next one.
 */
export function recordBranch(
  state: ActivePipeline,
  command: Extract<PipelineCommand, { type: 'record-branch' }>,
): PipelineEvent[] {
  const { head, at } = command;
  const awaited = state.awaited?.release.commit;
  const known = new Set([...state.releases.map(({ commit }) => commit), awaited]);
  const onBranch = new Set(command.onBranch);
  const fresh = [
    ...new Map(
      command.releases
        .filter(({ commit }) => !known.has(commit))
        .map((release) => [release.commit, release]),
    ).values(),
  ].sort((left, right) => left.position - right.position);
  const orphaned = state.releases
    .filter((release) => !release.orphaned && !onBranch.has(release.commit))
    .map(({ commit }) => commit);
  if (awaited !== undefined && !onBranch.has(awaited)) orphaned.push(awaited);
  const restored = state.releases
    .filter((release) => release.orphaned && onBranch.has(release.commit))
    .map(({ commit }) => commit);
  const events: PipelineEvent[] = [];
  if (orphaned.length > 0) events.push({ type: 'ReleasesOrphaned', commits: orphaned, head });
  if (restored.length > 0) events.push({ type: 'ReleasesRestored', commits: restored, head });

  const newestOnBranch = state.releases.findLast(({ commit }) => onBranch.has(commit));
  const held =
    state.awaited && onBranch.has(state.awaited.release.commit) ? state.awaited : undefined;
  return [...events, ...judge(state, { fresh, held, newestOnBranch, at })];
}

/** Which of the new commits are releases now, and which one waits to become one. */
function judge(
  state: ActivePipeline,
  {
    fresh,
    held,
    newestOnBranch,
    at,
  }: {
    fresh: readonly FoundRelease[];
    held: AwaitedRelease | undefined;
    newestOnBranch: Release | undefined;
    at: Instant;
  },
): PipelineEvent[] {
  const { quietPeriodMs, mustMatch } = state.definition.releases;
  const selective = quietPeriodMs > 0 || mustMatch.length > 0;
  const releases: Release[] = [];
  let awaited = held;
  for (const { mixed, ...found } of fresh) {
    // Where not every commit is a release, one that is found late is part of the newer one that is known.
    const last = releases.at(-1) ?? awaited?.release ?? newestOnBranch;
    if (selective && last !== undefined && found.position < last.position) continue;
    const release = awaited === undefined ? found : including(found, awaited.release);
    if (mixed !== undefined) awaited = { release, at, mixed };
    else if (quietPeriodMs > 0) awaited = { release, at };
    else {
      releases.push(release);
      awaited = undefined;
    }
  }
  return [
    ...discovered(releases),
    ...(awaited === undefined || awaited === held
      ? []
      : [{ type: 'ReleaseAwaited' as const, ...awaited }]),
  ];
}

/** The commit with the changes of the one before it that was no release: it concerns what either concerns. */
function including(release: Release, before: Release): Release {
  const { unconcerned: _, ...rest } = release;
  const both = common(release.unconcerned, before.unconcerned);
  return both === undefined ? rest : { ...rest, unconcerned: both };
}

const common = (left: Unconcerned, right: Unconcerned): Unconcerned =>
  left === undefined || right?.revision !== left.revision
    ? undefined
    : { ...left, stages: left.stages.filter((stage) => right.stages.includes(stage)) };

/** Keeps one event within the size that the log takes: a release is at most about a kilobyte. */
const releasesPerEventMax = 100;

function discovered(releases: readonly Release[]): PipelineEvent[] {
  const events: PipelineEvent[] = [];
  for (let start = 0; start < releases.length; start += releasesPerEventMax) {
    const part = releases.slice(start, start + releasesPerEventMax);
    events.push({ type: 'ReleasesDiscovered', releases: part });
  }
  return events;
}

/** When the awaited commit becomes a release by time alone. */
export function awaitedUntil({ awaited, definition }: ActivePipeline): Instant | undefined {
  const { quietPeriodMs, mustMatch } = definition.releases;
  if (awaited === undefined || (awaited.mixed !== undefined && mustMatch.length > 0)) {
    return undefined;
  }
  return awaited.at + quietPeriodMs;
}

/** The awaited commit, once no other has followed it for long enough. */
export function dueRelease(state: ActivePipeline, at: Instant): PipelineEvent[] {
  const dueAt = awaitedUntil(state);
  if (state.awaited === undefined || dueAt === undefined || at < dueAt) return [];
  return discovered([state.awaited.release]);
}

/** Why the newest commit is no release yet, for a person. */
export function awaitedText(state: ActivePipeline): string | undefined {
  const { awaited } = state;
  if (awaited === undefined) return undefined;
  const name = short(awaited.release.commit);
  const until = awaitedUntil(state);
  if (until === undefined) {
    return `${name} is no release, because its values do not agree: ${awaited.mixed}. A commit in which they agree will be one.`;
  }
  return `${name} becomes a release at ${formatInstant(until)} unless another commit follows it before.`;
}

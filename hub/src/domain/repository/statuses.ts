import type { Instant } from '@fairlead/shared/time';
import type { RepositoryEvent } from '../events.ts';
import { emptyMap, get, type PersistentMap, withEntry } from '../promotion/index.ts';

/** What a source said last of a commit. */
export type StatusWord = {
  readonly state: Reported['state'];
  readonly description: string;
  readonly at: Instant;
};
type Reported = Extract<RepositoryEvent, { type: 'StatusReported' }>;
type OfCommits = PersistentMap<string, ReadonlyMap<string, StatusWord>>;

/**
 * The newest words about the commits of which there was one lately, so that a repetition is known as such: when `recent`
 * is full it takes the place of `older`, and what only that had is forgotten.
 */
export type RecentStatuses = { readonly recent: OfCommits; readonly older: OfCommits };

/** Commits of each half. */
const recentCommitsMax = 1_000;
/** Sources that speak of one commit. */
export const statusNamesMax = 50;

export const noStatuses: RecentStatuses = { recent: emptyMap(), older: emptyMap() };

/** By name of the source. */
export const statusesOfCommit = (
  { recent, older }: RecentStatuses,
  commit: string,
): ReadonlyMap<string, StatusWord> => get(recent, commit) ?? get(older, commit) ?? new Map();

export function withStatus(statuses: RecentStatuses, event: Reported): RecentStatuses {
  const { commit, name, state, description, at } = event;
  const words = new Map(statusesOfCommit(statuses, commit)).set(name, { state, description, at });
  const recent = withEntry(statuses.recent, commit, words);
  return recent.size <= recentCommitsMax
    ? { ...statuses, recent }
    : {
        older: statuses.recent,
        recent: withEntry(emptyMap<string, typeof words>(), commit, words),
      };
}

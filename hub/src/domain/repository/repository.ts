import { canonicalText } from '@fairlead/shared/manifest';
import { err, ok, type Result, unreachable } from '@fairlead/shared/result';
import type { RepositoryEvent } from '../events.ts';
import type { RepositoryDefinition } from '../pipeline/definition.ts';
import {
  noStatuses,
  type RecentStatuses,
  statusesOfCommit,
  statusNamesMax,
  withStatus,
} from './statuses.ts';

export type RepositoryState =
  | { readonly status: 'absent' }
  | { readonly status: 'removed' }
  | {
      readonly status: 'defined';
      readonly definition: RepositoryDefinition;
      /** Where the tracked branch was seen last; absent before the first successful look. */
      readonly head?: { readonly branch: string; readonly commit: string };
      /** Why the last look failed, while it does. */
      readonly failure?: string;
      readonly statuses: RecentStatuses;
    };

export type RepositoryCommand =
  | { type: 'define-repository'; definition: RepositoryDefinition }
  | { type: 'remove-repository' }
  | {
      type: 'record-branch-moved';
      branch: string;
      commit: string;
      previous?: string;
      kind: 'first' | 'forward' | 'forced';
    }
  | { type: 'record-discovery-failure'; message: string }
  | { type: 'record-discovery-recovery' }
  /** `commit` need not be known yet: CI is often faster than the next look at the branch. */
  | ({ type: 'report-status' } & Omit<
      Extract<RepositoryEvent, { type: 'StatusReported' }>,
      'type'
    >);

export type RepositoryRejection = {
  readonly code: 'repository_not_defined' | 'too_many_statuses';
  readonly detail: string;
};

export const initialRepositoryState: RepositoryState = { status: 'absent' };

/** What changes nothing is no event, so polls of a quiet repository leave the log as it is. */
export function decideRepository(
  state: RepositoryState,
  command: RepositoryCommand,
): Result<RepositoryEvent[], RepositoryRejection> {
  if (command.type === 'define-repository') {
    const unchanged =
      state.status === 'defined' &&
      canonicalText(state.definition) === canonicalText(command.definition);
    return ok(unchanged ? [] : [{ type: 'RepositoryDefined', definition: command.definition }]);
  }
  if (state.status !== 'defined') {
    return err({
      code: 'repository_not_defined',
      detail: 'No repository has this name. Define it first.',
    });
  }
  switch (command.type) {
    case 'remove-repository':
      return ok([{ type: 'RepositoryRemoved' }]);
    case 'record-branch-moved': {
      const { branch, commit, previous, kind } = command;
      const recovered = recovery(state);
      if (state.head?.branch === branch && state.head.commit === commit) return ok(recovered);
      return ok([
        ...recovered,
        { type: 'BranchMoved', branch, commit, kind, ...(previous ? { previous } : {}) },
      ]);
    }
    case 'record-discovery-failure':
      return ok(
        state.failure === command.message
          ? []
          : [{ type: 'DiscoveryFailed', message: command.message }],
      );
    case 'record-discovery-recovery':
      return ok(recovery(state));
    case 'report-status':
      return reportStatus(state.statuses, command);
    default:
      return unreachable(command);
  }
}

/** The newest word counts, and the same word again is none. */
function reportStatus(
  statuses: RecentStatuses,
  { type: _, ...status }: Extract<RepositoryCommand, { type: 'report-status' }>,
): Result<RepositoryEvent[], RepositoryRejection> {
  const known = statusesOfCommit(statuses, status.commit);
  if (known.get(status.name)?.state === status.state) return ok([]);
  if (!known.has(status.name) && known.size >= statusNamesMax) {
    return err({
      code: 'too_many_statuses',
      detail: `${known.size} sources have spoken of ${status.commit}: a commit has no more.`,
    });
  }
  return ok([{ type: 'StatusReported', ...status }]);
}

const recovery = (state: { failure?: string }): RepositoryEvent[] =>
  state.failure === undefined ? [] : [{ type: 'DiscoveryRecovered' }];

export function evolveRepository(state: RepositoryState, event: RepositoryEvent): RepositoryState {
  if (event.type === 'RepositoryDefined') {
    const { definition } = event;
    // Another place or branch has another history: its first look starts afresh.
    const sameSource =
      state.status === 'defined' &&
      state.definition.url === definition.url &&
      state.definition.branch === definition.branch;
    return sameSource
      ? { ...state, definition }
      : { status: 'defined', definition, statuses: noStatuses };
  }
  if (state.status !== 'defined') return state;
  switch (event.type) {
    case 'RepositoryRemoved':
      return { status: 'removed' };
    case 'BranchMoved':
      return { ...state, head: { branch: event.branch, commit: event.commit } };
    case 'DiscoveryFailed':
      return { ...state, failure: event.message };
    case 'DiscoveryRecovered': {
      const { failure: _, ...rest } = state;
      return rest;
    }
    case 'StatusReported':
      return { ...state, statuses: withStatus(state.statuses, event) };
    default:
      return unreachable(event);
  }
}

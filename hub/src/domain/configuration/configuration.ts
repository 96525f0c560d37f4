import { err, ok, type Result, unreachable } from '@fairlead/shared/result';
import type { Fault } from '../pipeline/index.ts';

/** Which resource, by kind and name. */
export type ResourceName = { readonly kind: 'Repository' | 'Pipeline'; readonly name: string };

/** Stream `configuration`: what became of the commits of the repository that the hub's own resources are kept in. */
export type ConfigurationEvent =
  | {
      type: 'ConfigurationApplied';
      commit: string;
      /** Address, branch and path that the commit was read from. */
      source: string;
      resources: readonly ResourceName[];
      /** The commit asked for their removal. */
      removed: readonly ResourceName[];
      /** Defined by an earlier commit and in this one no more: they stay as they are, and people may change them. */
      absent: readonly ResourceName[];
    }
  /** Nothing of the commit was applied; what an earlier one defined stays. */
  | {
      type: 'ConfigurationRefused';
      commit: string;
      /** The first ones. */
      faults: readonly Fault[];
      faultsTotal: number;
    }
  | { type: 'ConfigurationUnreadable'; message: string }
  | { type: 'ConfigurationReadable' }
  /** A person changed a resource that the repository defines; it holds until the next commit is applied. */
  | ({ type: 'ConfigurationOverridden'; reason: string } & ResourceName);

export type ConfigurationState = {
  readonly applied?: {
    readonly commit: string;
    readonly source: string;
    readonly resources: readonly ResourceName[];
  };
  readonly absent: readonly ResourceName[];
  readonly overridden: readonly (ResourceName & { readonly reason: string })[];
  /** The newest commit, while it is not applied. */
  readonly refused?: {
    readonly commit: string;
    readonly faults: readonly Fault[];
    readonly faultsTotal: number;
  };
  /** Why the repository cannot be read, while it cannot. */
  readonly failure?: string;
};

type Applied = Omit<
  Extract<ConfigurationEvent, { type: 'ConfigurationApplied' }>,
  'type' | 'absent'
>;

export type ConfigurationCommand =
  | ({ type: 'record-applied' } & Applied)
  | { type: 'record-refused'; commit: string; faults: readonly Fault[] }
  | { type: 'record-unreadable'; message: string }
  | { type: 'record-readable' }
  | ({ type: 'record-override'; reason: string } & ResourceName);

export type ConfigurationRejection = {
  readonly code: 'resource_not_managed';
  readonly detail: string;
};

/** Faults of a refused commit that are recorded. */
export const recordedFaultsMax = 50;
const faultCharactersMax = 500;

export const initialConfigurationState: ConfigurationState = { absent: [], overridden: [] };

const isSame = (left: ResourceName, right: ResourceName): boolean =>
  left.kind === right.kind && left.name === right.name;
const without = (from: readonly ResourceName[], names: readonly ResourceName[]): ResourceName[] =>
  from.filter((each) => !names.some((name) => isSame(name, each)));

/** Whether the repository defines it, so that people change it there. */
export const isManaged = (state: ConfigurationState, resource: ResourceName): boolean =>
  state.applied?.resources.some((each) => isSame(each, resource)) === true;

/** What changes nothing is no event, so that a quiet repository leaves the log as it is. */
export function decideConfiguration(
  state: ConfigurationState,
  command: ConfigurationCommand,
): Result<ConfigurationEvent[], ConfigurationRejection> {
  switch (command.type) {
    case 'record-applied': {
      const { type: _, ...applied } = command;
      const before = state.applied;
      const isKnown = before?.commit === applied.commit && before.source === applied.source;
      if (isKnown && state.refused === undefined) return ok([]);
      const known = [...state.absent, ...(before?.resources ?? [])];
      const absent = without(known, [...applied.resources, ...applied.removed]);
      return ok([{ type: 'ConfigurationApplied', ...applied, absent }]);
    }
    case 'record-refused': {
      const { commit } = command;
      const faults = command.faults.slice(0, recordedFaultsMax).map(shortened);
      const faultsTotal = command.faults.length;
      const { refused } = state;
      const isKnown =
        refused?.commit === commit && JSON.stringify(refused.faults) === JSON.stringify(faults);
      return ok(isKnown ? [] : [{ type: 'ConfigurationRefused', commit, faults, faultsTotal }]);
    }
    case 'record-unreadable': {
      const message = command.message.slice(0, faultCharactersMax);
      return ok(state.failure === message ? [] : [{ type: 'ConfigurationUnreadable', message }]);
    }
    case 'record-readable':
      return ok(state.failure === undefined ? [] : [{ type: 'ConfigurationReadable' }]);
    case 'record-override': {
      const { kind, name, reason } = command;
      return isManaged(state, { kind, name })
        ? ok([{ type: 'ConfigurationOverridden', kind, name, reason }])
        : err({ code: 'resource_not_managed', detail: `No commit defines ${kind} ${name}.` });
    }
    default:
      return unreachable(command);
  }
}

const shortened = ({ path, message }: Fault): Fault => ({
  path: path.slice(0, faultCharactersMax),
  message: message.slice(0, faultCharactersMax),
});

export function evolveConfiguration(
  state: ConfigurationState,
  event: ConfigurationEvent,
): ConfigurationState {
  switch (event.type) {
    case 'ConfigurationApplied': {
      const { commit, source, resources, absent } = event;
      const { refused: _, ...rest } = state;
      return { ...rest, applied: { commit, source, resources }, absent, overridden: [] };
    }
    case 'ConfigurationRefused': {
      const { commit, faults, faultsTotal } = event;
      return { ...state, refused: { commit, faults, faultsTotal } };
    }
    case 'ConfigurationUnreadable':
      return { ...state, failure: event.message };
    case 'ConfigurationReadable': {
      const { failure: _, ...rest } = state;
      return rest;
    }
    case 'ConfigurationOverridden': {
      const { kind, name, reason } = event;
      const others = state.overridden.filter((each) => !isSame(each, event));
      return { ...state, overridden: [...others, { kind, name, reason }] };
    }
    default:
      return unreachable(event);
  }
}

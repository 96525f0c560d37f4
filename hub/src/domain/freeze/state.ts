import type { FreezeId, PipelineName, ProjectName, StageName } from '@fairlead/shared/ids';
import { unreachable } from '@fairlead/shared/result';
import type { Instant } from '@fairlead/shared/time';
import type { Freeze, FreezeEvent, FreezeScope } from './freeze.ts';

/** A freeze that nobody has lifted. */
export type DeclaredFreeze = Freeze & { readonly declaredAt: Instant };

export type FreezesState = {
  /** By id, in the order of their declaration. Those that have ended stay until the next one is declared. */
  readonly freezes: ReadonlyMap<FreezeId, DeclaredFreeze>;
};

export const initialFreezesState: FreezesState = { freezes: new Map() };

export function evolveFreezes(state: FreezesState, event: FreezeEvent): FreezesState {
  switch (event.type) {
    case 'FreezeDeclared': {
      const { freeze, at } = event;
      const kept = [...state.freezes].filter(([, known]) => !hasEnded(known, at));
      return { freezes: new Map(kept).set(freeze.id, { ...freeze, declaredAt: at }) };
    }
    case 'FreezeLifted': {
      const freezes = new Map(state.freezes);
      freezes.delete(event.id);
      return { freezes };
    }
    default:
      return unreachable(event);
  }
}

export const hasEnded = ({ until }: Pick<Freeze, 'until'>, at: Instant): boolean =>
  until !== undefined && at >= until;

/** One that was declared to begin at once has begun, also for a clock that was set back since. */
export const hasBegun = ({ from, declaredAt }: DeclaredFreeze, at: Instant): boolean =>
  from <= declaredAt || at >= from;

/** An agent has this long to take up what it was assigned before a freeze; what is older and unseen then waits. */
export const unseenAssignmentAgeMsMax = 60_000;

/**
 * Whether an assignment that its agent has never seen is kept back: it was decided before the freeze began, and the agent
 * was away for so long that it is news. What was assigned in the freeze was assigned by an override.
 */
export const isWithheldBy = (
  { from, declaredAt }: Pick<DeclaredFreeze, 'from' | 'declaredAt'>,
  { assignedAt, at }: { readonly assignedAt: Instant; readonly at: Instant },
): boolean => assignedAt < Math.max(from, declaredAt) && at - assignedAt > unseenAssignmentAgeMsMax;

/** Freezes that are in force at the instant, wherever they apply. */
export const inForce = (state: FreezesState, at: Instant): DeclaredFreeze[] =>
  [...state.freezes.values()].filter((freeze) => hasBegun(freeze, at) && !hasEnded(freeze, at));

/** When time alone begins or ends the next one; nothing when it changes none. */
export function nextFreezeChange(state: FreezesState, at: Instant): Instant | undefined {
  const changes = [...state.freezes.values()].flatMap((freeze) => {
    if (hasEnded(freeze, at)) return [];
    return hasBegun(freeze, at) ? (freeze.until ?? []) : freeze.from;
  });
  return changes.length === 0 ? undefined : Math.min(...changes);
}

/** A stage and what it belongs to. */
export type FreezePlace = {
  readonly project: ProjectName;
  readonly pipeline: PipelineName;
  readonly stage: StageName;
};

export function covers(scope: FreezeScope, place: FreezePlace): boolean {
  switch (scope.kind) {
    case 'hub':
      return true;
    case 'project':
      return scope.project === place.project;
    case 'pipeline':
      return scope.pipeline === place.pipeline;
    case 'stage':
      return scope.pipeline === place.pipeline && scope.stage === place.stage;
    default:
      return unreachable(scope);
  }
}

/** The scope as people read it. */
export function scopeText(scope: FreezeScope): string {
  switch (scope.kind) {
    case 'hub':
      return 'the whole hub';
    case 'project':
      return `project ${scope.project}`;
    case 'pipeline':
      return `pipeline ${scope.pipeline}`;
    case 'stage':
      return `stage ${scope.pipeline}/${scope.stage}`;
    default:
      return unreachable(scope);
  }
}

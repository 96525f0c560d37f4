import type { FreezeId } from '@fairlead/shared/ids';
import { err, ok, type Result, unreachable } from '@fairlead/shared/result';
import type { Instant } from '@fairlead/shared/time';
import type { Freeze, FreezeEvent, FreezeScope } from './freeze.ts';
import { type FreezesState, hasEnded } from './state.ts';

export type FreezeCommand =
  | {
      type: 'declare-freeze';
      id: FreezeId;
      scope: FreezeScope;
      reason: string;
      /** Subject of the person who declares it. */
      by: string;
      at: Instant;
      /** Absent: at once. */
      from?: Instant;
      /** Absent: until it is lifted. */
      until?: Instant;
      running: Freeze['running'];
    }
  | { type: 'lift-freeze'; id: FreezeId; reason: string; by: string; at: Instant };

export type FreezeRejection = {
  readonly code:
    | 'freeze_not_valid'
    | 'freeze_not_found'
    | 'freeze_already_declared'
    | 'too_many_freezes';
  readonly detail: string;
};

type Decision = Result<FreezeEvent[], FreezeRejection>;
const refuse = (code: FreezeRejection['code'], detail: string): Decision => err({ code, detail });

/** Freezes that have not ended, the planned ones included. Every decision of every pipeline looks at them. */
export const freezesMax = 500;
export const freezeReasonCharactersMax = 1_000;

export function decideFreeze(state: FreezesState, command: FreezeCommand): Decision {
  switch (command.type) {
    case 'declare-freeze':
      return declare(state, command);
    case 'lift-freeze': {
      const { id, reason, by, at } = command;
      const freeze = state.freezes.get(id);
      return freeze === undefined || hasEnded(freeze, at)
        ? refuse('freeze_not_found', `No freeze ${id} is in force or planned.`)
        : ok([{ type: 'FreezeLifted', id, reason, by, at }]);
    }
    default:
      return unreachable(command);
  }
}

function declare(
  state: FreezesState,
  command: Extract<FreezeCommand, { type: 'declare-freeze' }>,
): Decision {
  const { id, scope, reason, by, at, until, running } = command;
  const from = command.from ?? at;
  const faults = [
    ...(reason.trim() === '' ? ['a freeze needs a reason'] : []),
    ...(reason.length > freezeReasonCharactersMax
      ? [`its reason has more than ${freezeReasonCharactersMax} characters`]
      : []),
    ...(from < at ? ['it cannot begin in the past: leave the start out to begin at once'] : []),
    ...(until !== undefined && until <= Math.max(from, at)
      ? ['its end must be later than its start']
      : []),
  ];
  if (faults.length > 0) return refuse('freeze_not_valid', `${faults.join('; ')}.`);
  if (state.freezes.has(id)) return refuse('freeze_already_declared', `${id} is declared already.`);
  const open = [...state.freezes.values()].filter((freeze) => !hasEnded(freeze, at));
  if (open.length >= freezesMax) {
    return refuse('too_many_freezes', `${freezesMax} freezes are in force or planned: lift some.`);
  }
  const freeze = { id, scope, reason, by, from, running };
  const ends = until === undefined ? {} : { until };
  return ok([{ type: 'FreezeDeclared', freeze: { ...freeze, ...ends }, at }]);
}

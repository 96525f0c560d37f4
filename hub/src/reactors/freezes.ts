import type { Logger } from '@fairlead/shared/log';
import type { Clock } from '@fairlead/shared/time';
import { type FreezesState, inForce, nextFreezeChange } from '../domain/freeze/index.ts';
import { createReactor, type Reactor } from './reactor.ts';

export type FreezeReactorOptions = {
  readonly freezes: () => Promise<{ readonly state: FreezesState }>;
  /** Other freezes are in force than at the last look: something may go on, or has to stop. */
  readonly onChanged: () => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

/** Tells when freezes begin and end, by a person's word or by time; it decides nothing itself. */
export function createFreezeReactor(options: FreezeReactorOptions): Reactor {
  const { freezes, onChanged, clock, signal, logger } = options;
  let known = '';
  return createReactor({
    name: 'freezes',
    signal,
    logger,
    run: async () => {
      const { state } = await freezes();
      const now = clock.now();
      const ids = inForce(state, now)
        .map(({ id }) => id)
        .sort()
        .join();
      if (ids !== known) {
        known = ids;
        onChanged();
      }
      const next = nextFreezeChange(state, now);
      return next === undefined ? undefined : Math.max(1, next - now);
    },
  });
}

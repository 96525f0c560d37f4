import type { Logger } from '@fairlead/shared/log';
import type { Clock } from '@fairlead/shared/time';
import { invalidMessagesLoggedPerMinuteMax } from '../limits.ts';
import { PayloadInvalidError } from './payloads.ts';

export type CountInvalid = (subject: string, error: unknown) => void;

/** Counts what was skipped, and logs a bounded number a minute: an agent cannot fill the hub's disk with nonsense. */
export function createInvalidCounter(options: {
  logger: Logger;
  clock: Clock;
  count?: (name: 'fairlead_bus_messages_invalid_total', amount?: number) => void;
}): CountInvalid {
  let minute = 0;
  let logged = 0;
  return (subject, error) => {
    if (!(error instanceof PayloadInvalidError)) throw error;
    options.count?.('fairlead_bus_messages_invalid_total');
    const now = Math.floor(options.clock.now() / 60_000);
    if (now !== minute) {
      minute = now;
      logged = 0;
    }
    if (++logged > invalidMessagesLoggedPerMinuteMax) return;
    options.logger.warn({ subject, reason: error.message }, 'skipped a message that is not valid');
  };
}

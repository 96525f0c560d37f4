import type { Logger } from '@fairlead/shared/log';
import { reactorBackoffMsMax, reactorBackoffMsMin } from '../limits.ts';

export type Reactor = {
  /** Asks for one more run; many calls before the run starts are one. */
  readonly wake: () => void;
  /** Resolves when no run is under way, after the signal was aborted. */
  readonly stopped: Promise<void>;
};

export type ReactorOptions = {
  readonly name: string;
  /**
   * Reads state, does what is due and returns in how many milliseconds time alone could make more work due
   * (undefined: only a wake can). It takes no input and is idempotent, so a lost or doubled wake does no harm.
   */
  readonly run: (signal: AbortSignal) => Promise<number | undefined>;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

// A timer longer than this overflows Node's; waking early costs one idle run.
const timerMsMax = 3_600_000;

/** One loop that never runs twice at once, and that goes on after a failed run with a growing, bounded pause. */
export function createReactor(options: ReactorOptions): Reactor {
  const { name, run, signal, logger } = options;
  let due = true;
  let notify: (() => void) | undefined;

  const wake = () => {
    due = true;
    notify?.();
  };

  const pause = (limitMs: number | undefined) =>
    new Promise<void>((resolve) => {
      const timer =
        limitMs === undefined ? undefined : setTimeout(resolve, Math.min(limitMs, timerMsMax));
      notify = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', notify, { once: true });
    }).finally(() => {
      if (notify) signal.removeEventListener('abort', notify);
      notify = undefined;
    });

  const loop = async () => {
    let backoffMs = reactorBackoffMsMin;
    while (!signal.aborted) {
      due = false;
      let waitMs: number | undefined;
      try {
        waitMs = await run(signal);
        backoffMs = reactorBackoffMsMin;
      } catch (error) {
        if (signal.aborted) return;
        logger.error({ err: error, reactor: name }, 'a run failed and is tried again');
        waitMs = backoffMs;
        backoffMs = Math.min(backoffMs * 2, reactorBackoffMsMax);
      }
      if (!due && !signal.aborted) await pause(waitMs);
    }
  };

  return { wake, stopped: loop() };
}

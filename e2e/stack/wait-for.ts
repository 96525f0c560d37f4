// Waiting for a level, never for an edge or a duration.

import { setTimeout as sleep } from 'node:timers/promises';
import { pollIntervalMs, waitTimeoutMs } from './limits.ts';

/** Records what was seen, for the message of a timeout. */
export type See = (state: unknown) => void;

export type WaitOptions = {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  readonly signal?: AbortSignal;
};

/** The level did not come in time; the message ends with the last state seen. */
export class WaitTimeoutError extends Error {
  override readonly name = 'WaitTimeoutError';
}

/**
 * Looks until the probe answers with something other than undefined, null or false, and resolves with it.
 * A probe that throws has not seen the level yet; its error counts as the state seen.
 */
export async function waitFor<Level>(
  description: string,
  probe: (see: See) => Level | Promise<Level>,
  options: WaitOptions = {},
): Promise<Exclude<Level, undefined | null | false>> {
  const timeoutMs = options.timeoutMs ?? waitTimeoutMs;
  const deadline = AbortSignal.timeout(timeoutMs);
  const ended = options.signal ? AbortSignal.any([deadline, options.signal]) : deadline;
  let last: unknown = 'nothing yet';
  const see: See = (state) => {
    last = state;
  };
  while (!ended.aborted) {
    try {
      const level = await untilAborted(probe(see), ended);
      if (level !== undefined && level !== null && level !== false) {
        return level as Exclude<Level, undefined | null | false>;
      }
      await sleep(options.intervalMs ?? pollIntervalMs, undefined, { signal: ended });
    } catch (error) {
      if (ended.aborted) break;
      last = error;
      await sleep(options.intervalMs ?? pollIntervalMs, undefined, { signal: ended }).catch(
        () => {},
      );
    }
  }
  options.signal?.throwIfAborted();
  throw new WaitTimeoutError(
    `Waited ${timeoutMs} ms for ${description}. Last state seen: ${describe(last)}`,
  );
}

/** The promise, or a rejection at abort, so that a probe that hangs cannot outlast its limit. */
async function untilAborted<Value>(value: Value | Promise<Value>, signal: AbortSignal) {
  if (!(value instanceof Promise)) return value;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([value, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function describe(state: unknown): string {
  if (state instanceof Error) {
    const cause = state.cause instanceof Error ? ` (${state.cause.message})` : '';
    return `${state.message}${cause}`;
  }
  return typeof state === 'string' ? state : (JSON.stringify(state, undefined, 2) ?? String(state));
}

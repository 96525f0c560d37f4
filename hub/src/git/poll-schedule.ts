import { repositoryPollBackoffMsMax, repositoryPollIntervalMsMin } from '../limits.ts';

/** The first poll comes anywhere within one interval, so that a restart spreads the repositories. */
export const firstDelayMs = (intervalMs: number, fraction: number): number =>
  Math.round(bounded(intervalMs) * fraction);

/**
 * The delay to the next poll: the interval, doubled for each failure after the first up to a limit, ±10 % so that equal
 * intervals do not fall into step. `fraction` is in [0, 1).
 */
export function nextDelayMs(intervalMs: number, failures: number, fraction: number): number {
  const base = bounded(intervalMs);
  const doublings = Math.min(Math.max(0, failures - 1), 20);
  const backedOff = Math.min(base * 2 ** doublings, Math.max(base, repositoryPollBackoffMsMax));
  return Math.round(backedOff * (0.9 + 0.2 * fraction));
}

const bounded = (intervalMs: number): number => Math.max(intervalMs, repositoryPollIntervalMsMin);

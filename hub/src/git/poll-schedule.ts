import {
  rateLimitBackoffMsMax,
  rateLimitBackoffMsMin,
  repositoryPollBackoffMsMax,
  repositoryPollIntervalMsMin,
} from '../limits.ts';
import { isGitError } from './git-error.ts';

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

/** How long a host that says that it is asked too often is not asked at all, not even after a webhook; 0 for any other failure. */
export function silenceMs(error: unknown, failures: number): number {
  if (!isGitError(error, 'rate_limited')) return 0;
  const doubled = rateLimitBackoffMsMin * 2 ** Math.min(Math.max(0, failures - 1), 10);
  return Math.min(Math.max(doubled, error.retryAfterMs ?? 0), rateLimitBackoffMsMax);
}

const bounded = (intervalMs: number): number => Math.max(intervalMs, repositoryPollIntervalMsMin);

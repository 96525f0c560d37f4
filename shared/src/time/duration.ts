import { err, ok, type Result } from '../result/index.ts';
import type { Instant } from './clock.ts';

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof unitMs;

const durationPattern = /^(\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const durationMsMax = 366 * unitMs.d;

/** Parses `90s`, `30m`, `1h30m`, `250ms`, `7d` to milliseconds; at most 366 days. */
export function parseDuration(text: unknown): Result<number, string> {
  if (typeof text !== 'string' || !durationPattern.test(text)) {
    return err('must be a duration such as 90s, 30m, 1h30m or 7d');
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * unitMs[unit as Unit];
  }
  if (total > durationMsMax) return err('must be at most 366 days');
  return ok(Math.round(total));
}

/** Prints milliseconds in at most two units, for people: `250ms`, `1.5s`, `2m5s`, `3h20m`, `4d1h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)}ms`;
  if (durationMs < 10_000) return `${Number((durationMs / 1_000).toFixed(1))}s`;
  const seconds = Math.round(durationMs / 1_000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join('');
}

/** Prints an instant in UTC as RFC 3339 has it. */
export const formatInstant = (at: Instant): string => new Date(at).toISOString();

import { formatDuration, type Instant } from '@fairlead/shared/time';
import { experienceOf, stagesBefore } from '../stages-before.ts';
import { short } from '../state.ts';
import { healthyMs } from '../stay.ts';
import type { Gate } from './gate.ts';

/**
 * The release was healthy in each stage before for long enough without a break: its own time there, counted from when
 * all targets were confirmed healthy. Two stays are never added up. Time is watched time, so that no clock and no date
 * can shorten it.
 */
export const soakGate: Gate = ({ state, stage, release, at, fleet }) => {
  const { gates } = stage;
  const { soakMs } = gates;
  const { watchedMs } = fleet;
  const { commit } = release;
  const stages = stagesBefore(state, stage, { commit, watchedMs });
  if (soakMs === 0 || stages.length === 0) {
    return { passed: true, detail: 'No soak is asked for.', evidence: {} };
  }
  const name = short(commit);
  const evidence: Record<string, number> = { soakMs };
  const waits: string[] = [];
  let clearsAt: Instant | undefined = at;
  for (const before of stages) {
    const { stay, soakedMs } = experienceOf(state, before, { commit, gates, watchedMs });
    evidence[`${before}.soakedMs`] = soakedMs;
    if (stay?.enteredAt !== undefined) evidence[`${before}.enteredAt`] = stay.enteredAt;
    if (stay?.healthyAt !== undefined) evidence[`${before}.healthyAt`] = stay.healthyAt;
    if (soakedMs >= soakMs) continue;
    const goesOn = stay?.healthySince !== undefined;
    const remainingMs = soakMs - (stay ? healthyMs(stay, gates, watchedMs) : 0);
    const expected = goesOn
      ? `, expected at ${new Date(at + remainingMs).toISOString()}`
      : ', and the time stands still until it is healthy with it';
    waits.push(
      `${name} was healthy in ${before} for ${formatDuration(soakedMs)} of ` +
        `${formatDuration(soakMs)}${expected}`,
    );
    clearsAt = goesOn && clearsAt !== undefined ? Math.max(clearsAt, at + remainingMs) : undefined;
  }
  if (waits.length > 0) {
    const when = clearsAt === undefined ? {} : { clearsAt };
    return { passed: false, detail: `${waits.join('; ')}.`, evidence, ...when };
  }
  return {
    passed: true,
    detail: `${name} was healthy in ${stages.join(' and ')} for ${formatDuration(soakMs)}.`,
    evidence,
  };
};

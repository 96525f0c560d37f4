import { formatDuration, type Instant } from '@fairlead/shared/time';
import { get } from '../persistent-map.ts';
import { short, stageState } from '../state.ts';
import { healthyMs } from '../stay.ts';
import type { Gate } from './gate.ts';

/**
 * The release was healthy in each stage before for long enough without a break: its own time there, counted from when
 * all targets were confirmed healthy. Two stays are never added up.
 */
export const soakGate: Gate = ({ state, stage, release, at }) => {
  const { soakMs } = stage.gates;
  if (soakMs === 0 || stage.after.length === 0) {
    return { passed: true, detail: 'No soak is asked for.', evidence: {} };
  }
  const name = short(release.commit);
  const evidence: Record<string, number> = { soakMs };
  const waits: string[] = [];
  let clearsAt: Instant | undefined = at;
  for (const before of stage.after) {
    const { stay, releases } = stageState(state, before);
    const completedMs = get(releases, release.commit)?.soakedMs ?? 0;
    const running = stay?.release === release.commit ? stay : undefined;
    const soakedMs = Math.max(completedMs, running ? healthyMs(running, at) : 0);
    evidence[`${before}.soakedMs`] = soakedMs;
    if (soakedMs >= soakMs) continue;
    const goesOn = running?.healthySince !== undefined;
    const remainingMs = soakMs - (running ? healthyMs(running, at) : 0);
    const pause = goesOn ? '' : ', and the time stands still until it is healthy with it';
    waits.push(
      `${name} was healthy in ${before} for ${formatDuration(soakedMs)} of ` +
        `${formatDuration(soakMs)}${pause}`,
    );
    clearsAt = goesOn && clearsAt !== undefined ? Math.max(clearsAt, at + remainingMs) : undefined;
  }
  if (waits.length > 0) {
    const when = clearsAt === undefined ? {} : { clearsAt };
    return { passed: false, detail: `${waits.join('; ')}.`, evidence, ...when };
  }
  return {
    passed: true,
    detail: `${name} was healthy in ${stage.after.join(' and ')} for ${formatDuration(soakMs)}.`,
    evidence,
  };
};

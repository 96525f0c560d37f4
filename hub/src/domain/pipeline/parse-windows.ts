import { checkSchedule, type ScheduleFault, scheduleKind } from '../calendar/index.ts';
import type { WindowRule } from './definition.ts';
import { schedulesMax, windowDurationMsMax, windowDurationMsMin, windowsMax } from './limits.ts';
import { checkDistinctNames, readRuleName } from './names.ts';
import {
  type Fault,
  fault,
  isAbsent,
  type Node,
  readChoice,
  readDuration,
  readLimitedList,
  readMapping,
  readText,
} from './reader.ts';

/** A Monday: a weekly recurrence that names no day starts with the week, and every one at midnight. */
const startsAtDefault = '2024-01-01T00:00:00';

export function parseWindows(node: Node): WindowRule[] {
  const nodes = readLimitedList(node, windowsMax);
  const rules = nodes.map(parseWindow);
  checkDistinctNames(nodes, rules);
  return rules;
}

function parseWindow(node: Node, index: number): WindowRule {
  const at = readMapping(node, { known: ['name', 'allow', 'deny', 'running'] });
  const effect = isAbsent(at('allow')) ? 'deny' : 'allow';
  const isOne = isAbsent(at('allow')) !== isAbsent(at('deny'));
  if (!isOne) fault(node, 'must have either allow or deny, with schedule and duration');
  const times = readMapping(isOne ? at(effect) : { ...node, value: undefined }, {
    known: ['schedule', 'startsAt', 'duration', 'timeZone'],
  });
  const text = isOne ? readText(times('schedule')) : '';
  const schedule: WindowRule['schedule'] = { kind: scheduleKind(text), text };
  const startsAt = parseStart(times('startsAt'), schedule.kind);
  const timeZone = readText(times('timeZone'), 'UTC');
  if (text !== '') {
    for (const { field, message } of scheduleFaults(node, { schedule, startsAt, timeZone })) {
      fault(times(field), message);
    }
    const counts = schedule.kind === 'rrule' && /(INTERVAL|COUNT)=/.test(text);
    if (counts && isAbsent(times('startsAt'))) {
      fault(times('startsAt'), 'is missing: INTERVAL and COUNT count from it');
    }
  }
  if (isOne && isAbsent(times('duration'))) fault(times('duration'), 'is missing');
  const durationMs = readDuration(times('duration'), {
    fallbackMs: windowDurationMsMin,
    minMs: windowDurationMsMin,
  });
  if (durationMs > windowDurationMsMax) fault(times('duration'), 'must be at most 31d');
  return {
    name: readRuleName(at('name'), `${effect}-${index + 1}`),
    effect,
    schedule,
    startsAt,
    durationMs,
    timeZone,
    running: readChoice(at('running'), ['drain', 'finish', 'must-fit'], 'drain'),
  };
}

type Recurrence = Pick<WindowRule, 'schedule' | 'startsAt' | 'timeZone'>;
/** What is known of one document's schedules, by its list of faults: to follow one costs milliseconds. */
const known = new WeakMap<Fault[], Map<string, ScheduleFault[]>>();

function scheduleFaults({ faults }: Node, recurrence: Recurrence): ScheduleFault[] {
  const checked = known.get(faults) ?? new Map<string, ScheduleFault[]>();
  known.set(faults, checked);
  const key = JSON.stringify(recurrence);
  const before = checked.get(key);
  if (before !== undefined) return before;
  if (checked.size >= schedulesMax) {
    const message = `is one of more than ${schedulesMax} different schedules in one document`;
    return [{ field: 'schedule', message }];
  }
  const found = checkSchedule(recurrence);
  checked.set(key, found);
  return found;
}

/** Minutes may stand without seconds. */
function parseStart(node: Node, kind: WindowRule['schedule']['kind']): string {
  if (isAbsent(node)) return startsAtDefault;
  if (kind === 'cron') {
    fault(node, 'is for a recurrence rule: a cron expression counts from nothing');
    return startsAtDefault;
  }
  const text = readText(node);
  return /T\d{2}:\d{2}$/.test(text) ? `${text}:00` : text;
}

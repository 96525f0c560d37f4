import type { WindowRule } from './definition.ts';
import { windowDurationMsMax, windowDurationMsMin, windowsMax } from './limits.ts';
import { checkDistinctNames, readRuleName } from './names.ts';
import {
  fault,
  isAbsent,
  type Node,
  readChoice,
  readDuration,
  readLimitedList,
  readMapping,
  readText,
} from './reader.ts';
import { checkSchedule, isTimeZone, localTimeOf } from './schedule.ts';

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
  const schedule: WindowRule['schedule'] = { kind: kindOf(text), text };
  const startsAt = parseStart(times('startsAt'), schedule.kind);
  const timeZone = readText(times('timeZone'), 'UTC');
  if (!isTimeZone(timeZone)) {
    fault(times('timeZone'), 'is no time zone: use a name such as Europe/Berlin or UTC');
  } else if (text !== '') {
    const problem = checkSchedule({ schedule, startsAt, timeZone });
    if (problem !== undefined) fault(times('schedule'), problem);
    if (
      schedule.kind === 'rrule' &&
      isAbsent(times('startsAt')) &&
      /(INTERVAL|COUNT)=/i.test(text)
    ) {
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

/** A recurrence rule is told by its parts, `KEY=value`; everything else is a cron expression. */
const kindOf = (text: string): WindowRule['schedule']['kind'] =>
  text.includes('=') ? 'rrule' : 'cron';

function parseStart(node: Node, kind: WindowRule['schedule']['kind']): string {
  if (isAbsent(node)) return startsAtDefault;
  if (kind === 'cron')
    fault(node, 'is for a recurrence rule: a cron expression counts from nothing');
  const text = readText(node);
  const start = localTimeOf(text);
  if (start === undefined && text !== '') {
    fault(node, 'must be a local date and time such as 2026-01-01T09:00:00, without a zone');
  }
  return start ?? startsAtDefault;
}

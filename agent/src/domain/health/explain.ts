import type { KubernetesObject } from '@fairlead/shared/manifest';
import {
  type Condition,
  conditionsOf,
  conditionText,
  mappingAt,
  statusOf,
  textOf,
} from './read.ts';
import type { Health } from './state.ts';
import { toneOfCondition } from './words.ts';

// Where projects put a sentence for people, or at least a word, beside conditions.
const messageFields = [
  'message',
  'error',
  'errorMessage',
  'failureMessage',
  'reason',
  'statusMessage',
  'lastError',
  'statusDescription',
  'details',
];
const phaseFields = [
  'phase',
  'state',
  'status',
  'health',
  'currentState',
  'clusterState',
  'PostgresClusterStatus',
];

/** The object's own words for the health that was found: the condition that fits best, else a message or phase of its status. */
export function explain(object: KubernetesObject, health: Health): string {
  if (health === 'Healthy') return '';
  const status = statusOf(object);
  const fitting = conditionFor(conditionsOf(status), health);
  if (fitting) return conditionText(fitting);
  for (const field of messageFields) {
    const value = status[field];
    const text = typeof value === 'string' ? value : textOf(mappingAt(value).message);
    if (text !== '') return text;
  }
  for (const field of phaseFields) {
    const text = textOf(status[field]);
    if (text !== '') return `${field} is ${text}`;
  }
  if (Object.keys(status).length === 0) return 'waits for the first status';
  return health === 'Progressing' ? 'waits for its controller' : `is ${health.toLowerCase()}`;
}

function conditionFor(conditions: readonly Condition[], health: Health): Condition | undefined {
  const telling = conditions.filter(({ message, reason }) => message !== '' || reason !== '');
  const wanted = health === 'Degraded' ? 'failed' : 'busy';
  const isNotTrue = ({ status }: Condition) => status !== 'True';
  const isAbnormal = ({ type, status, reason, message }: Condition) =>
    status === 'True' && toneOfCondition(type, `${reason} ${message}`) === wanted;
  const fits = ({ reason, message }: Condition) => toneOfCondition(reason, message) === wanted;
  return (
    (health === 'Suspended'
      ? telling.find(({ type, reason }) => /paus|suspend/i.test(`${type} ${reason}`))
      : undefined) ??
    telling.find(
      (condition) => isNotTrue(condition) && fits(condition) && condition.message !== '',
    ) ??
    telling.find(isAbnormal) ??
    telling.find((condition) => isNotTrue(condition) && condition.message !== '') ??
    telling.find(isNotTrue)
  );
}

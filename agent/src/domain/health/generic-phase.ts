import type { KubernetesObject } from '@fairlead/shared/manifest';
import { explain } from './explain.ts';
import { mappingAt, numberOf, specOf, statusOf, textOf } from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing, suspended, unknown } from './state.ts';
import { toneOfPhase } from './words.ts';

const phaseFields = [
  'phase',
  'state',
  'status',
  'health',
  'healthStatus',
  'currentState',
  'currentStatus',
];

/** What one word of the status says. A word of a project's own, which no list has, says nothing. */
export function byPhase(object: KubernetesObject): ObjectHealth | undefined {
  const status = statusOf(object);
  const others = Object.keys(status).filter(
    (name) => !phaseFields.includes(name) && /(phase|state|status)$/i.test(name),
  );
  let isHealthy = false;
  for (const field of [...phaseFields, ...others.sort()]) {
    const word = textOf(status[field]);
    const tone = word === '' ? '' : toneOfPhase(word);
    const says = `${field} is ${word}`;
    if (tone === 'failed') return degraded(explain(object, 'Degraded') || says);
    if (tone === 'suspended') return suspended(says);
    if (tone === 'unknown') return unknown(says);
    if (tone === 'busy') return progressing(explain(object, 'Progressing') || says);
    // The fields that every project has speak for the object; those beside them only of a part.
    if (tone === 'healthy') isHealthy = true;
    if (isHealthy && phaseFields.includes(field)) return undefined;
  }
  if (isHealthy) return healthy();
  return byWord(object);
}

const errorFields = ['error', 'errorMessage', 'failureReason', 'failureMessage', 'lastError'];
const flags = ['ready', 'readyToUse', 'available', 'healthy'];

function byWord(object: KubernetesObject): ObjectHealth | undefined {
  const status = statusOf(object);
  const isWell = flags.some((name) => status[name] === true);
  for (const field of isWell ? [] : errorFields) {
    const value = status[field];
    const text = textOf(value) || textOf(mappingAt(value).message);
    if (text !== '') return degraded(text);
  }
  if (status.healthy === false) return degraded(explain(object, 'Degraded'));
  return flags.some((name) => status[name] === false)
    ? progressing(explain(object, 'Progressing'))
    : undefined;
}

/** A workload by the names of Kubernetes' own; one that does not say what it wants is not held to it. */
export function byCounts(object: KubernetesObject): ObjectHealth | undefined {
  const status = statusOf(object);
  const wanted = numberOf(specOf(object).replicas, 0);
  const counted = [status.availableReplicas, status.readyReplicas].find(
    (count) => typeof count === 'number',
  );
  if (typeof counted !== 'number' || counted >= wanted) return undefined;
  return progressing(`${counted} of ${wanted} replicas ready`);
}

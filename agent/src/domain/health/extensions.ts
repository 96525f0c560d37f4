import type { KubernetesObject } from '@fairlead/shared/manifest';
import { conditionOf, conditionText, statusOf } from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing } from './state.ts';

export function customResourceDefinitionHealth(object: KubernetesObject): ObjectHealth {
  const status = statusOf(object);
  if (conditionOf(status, 'Terminating')?.status === 'True') {
    return progressing('the definition and its objects are being deleted');
  }
  const names = conditionOf(status, 'NamesAccepted');
  if (names?.status === 'False') return degraded(conditionText(names));
  const nonStructural = conditionOf(status, 'NonStructuralSchema');
  if (nonStructural?.status === 'True') return degraded(conditionText(nonStructural));
  const established = conditionOf(status, 'Established');
  if (established?.status === 'True') return healthy();
  if (established && established.reason !== 'Installing') {
    return degraded(`the API is not served: ${conditionText(established)}`);
  }
  return progressing('the API is not served yet');
}

export function apiServiceHealth(object: KubernetesObject): ObjectHealth {
  const available = conditionOf(statusOf(object), 'Available');
  if (available?.status === 'True') return healthy();
  return progressing(available ? conditionText(available) : 'waits for the aggregated API');
}

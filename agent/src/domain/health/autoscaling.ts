import type { KubernetesObject } from '@fairlead/shared/manifest';
import { conditionsOf, conditionText, statusOf } from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing } from './state.ts';

/** autoscaling/v1 keeps the conditions as JSON in an annotation, because its status has no place for them. */
function conditions(object: KubernetesObject) {
  const annotated = object.metadata.annotations?.['autoscaling.alpha.kubernetes.io/conditions'];
  if (annotated === undefined) return conditionsOf(statusOf(object));
  try {
    return conditionsOf({ conditions: JSON.parse(annotated) });
  } catch {
    return [];
  }
}

export function horizontalPodAutoscalerHealth(object: KubernetesObject): ObjectHealth {
  const all = conditions(object);
  const broken = all.find(
    ({ type, reason }) =>
      (type === 'AbleToScale' || type === 'ScalingActive') && /^(Failed|Invalid)/.test(reason),
  );
  if (broken) return degraded(conditionText(broken));
  const works = all.some(({ type, status }) => type !== 'ScalingActive' && status === 'True');
  return works ? healthy() : progressing('waits for the first look at the target');
}

import type { KubernetesObject } from '@fairlead/shared/manifest';
import { conditionOf, conditionText, listOf, numberOf, specOf, statusOf, textOf } from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing, suspended } from './state.ts';

/** A Job is done when it is complete; one that runs is on its way, however long it takes. */
export function jobHealth(object: KubernetesObject): ObjectHealth {
  const status = statusOf(object);
  const failed = [conditionOf(status, 'Failed'), conditionOf(status, 'FailureTarget')].find(
    (condition) => condition?.status === 'True',
  );
  if (failed) return degraded(conditionText(failed));
  if (conditionOf(status, 'Complete')?.status === 'True') return healthy();
  if (specOf(object).suspend === true) return suspended('the job is suspended');
  const pods = `${numberOf(status.active, 0)} active, ${numberOf(status.failed, 0)} failed`;
  return progressing(`the job runs (${pods})`);
}

/**
 * A schedule that a person suspended does what it was told, so it is healthy. One whose newest finished run came after
 * its newest success has failed; one that never succeeded may only be young.
 */
export function cronJobHealth(object: KubernetesObject): ObjectHealth {
  if (specOf(object).suspend === true) return healthy('the schedule is suspended');
  const status = statusOf(object);
  const scheduled = textOf(status.lastScheduleTime);
  const succeeded = textOf(status.lastSuccessfulTime);
  if (listOf(status.active).length === 0 && succeeded !== '' && scheduled > succeeded) {
    return degraded(`the run of ${scheduled} did not succeed`);
  }
  return healthy();
}

import { objectKeyText } from '@fairlead/shared/manifest';
import { podTrouble } from '../domain/health/index.ts';
import { podsLookDelayMs, podsLookIntervalMs, podsLooksMax } from '../limits.ts';
import type { Context } from './context.ts';
import type { LiveRecord } from './live-objects.ts';
import type { Unit } from './unit.ts';

/**
 * Pods belong to ReplicaSets and are not ours to watch; so the reason why a workload does not come up is looked for
 * once it has been on its way for a while, and rarely after that. Returns whether a reason is news.
 */
export async function lookAtPods(context: Context, unit: Unit): Promise<boolean> {
  const { clock, live } = context;
  const waiting = live.ofApplySet(unit.owner.applySetId).filter(hasPodsToLookAt);
  const due: LiveRecord[] = [];
  for (const record of waiting) {
    const looked = unit.podLooks.get(objectKeyText(record.key));
    const since = record.progressingSinceMs ?? clock.now() - podsLookDelayMs;
    if (looked && record.health === 'Degraded') continue;
    const atMs = looked ? looked.lookedAtMs + podsLookIntervalMs : since + podsLookDelayMs;
    if (atMs <= clock.now() && due.length < podsLooksMax) due.push(record);
    else context.wakeAt(unit, Math.max(atMs, clock.now() + 100));
  }
  let isNews = false;
  for (const record of due) {
    const text = objectKeyText(record.key);
    const message = await troubleOf(context, unit, record);
    isNews ||= unit.podLooks.get(text)?.message !== message;
    unit.podLooks.set(text, { lookedAtMs: clock.now(), message });
    if (record.health === 'Progressing') context.wakeAt(unit, clock.now() + podsLookIntervalMs);
  }
  return isNews;
}

const hasPodsToLookAt = (record: LiveRecord): boolean =>
  record.podSelector !== '' && (record.health === 'Progressing' || record.health === 'Degraded');

async function troubleOf(context: Context, unit: Unit, record: LiveRecord): Promise<string> {
  try {
    const pods = await context.cluster.list('v1', 'Pod', {
      namespace: record.key.namespace,
      labelSelector: record.podSelector,
      signal: unit.work.signal,
    });
    for (const pod of pods) {
      const trouble = podTrouble(pod);
      if (trouble !== '') return `${pod.metadata.name}: ${trouble}`;
    }
  } catch (error) {
    context.logger.debug({ unit: unit.id, error }, 'the pods of a workload cannot be listed');
  }
  return '';
}

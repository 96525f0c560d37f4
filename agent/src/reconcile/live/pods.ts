import { type KubernetesObject, objectKeyText } from '@fairlead/shared/manifest';
import { healthOf, podTrouble } from '../../domain/health/index.ts';
import {
  podsLookDelayMs,
  podsLookIntervalMsMax,
  podsLooksMax,
  podsLooksPerSecondMax,
  podsOfWorkloadMax,
} from '../../limits.ts';
import type { Context } from '../context.ts';
import type { PodLook, Unit } from '../unit.ts';
import type { LiveRecord } from './live-objects.ts';

/** Says whether a look may be made now; over all units, so that many that wait do not crowd the API server. */
export type PodLookBudget = () => boolean;

export function createPodLookBudget(now: () => number): PodLookBudget {
  let beganAtMs = 0;
  let looks = 0;
  return () => {
    if (now() - beganAtMs >= 1_000) {
      beganAtMs = now();
      looks = 0;
    }
    return looks++ < podsLooksPerSecondMax;
  };
}

/**
 * Pods belong to ReplicaSets and are not ours to watch; so the reason why a workload does not come up, or is up no more, is
 * looked for a moment after it began to be on its way, then less and less often. Returns whether a reason is news.
 */
export async function lookAtPods(context: Context, unit: Unit): Promise<boolean> {
  const { clock, live } = context;
  const due: LiveRecord[] = [];
  for (const record of live.ofApplySet(unit.owner.applySetId).filter(hasPodsToLookAt)) {
    const look = unit.podLooks.get(objectKeyText(record.key));
    if (look && record.health === 'Degraded') continue;
    const atMs = nextLookAtMs(record, look, clock.now());
    if (atMs <= clock.now() && due.length < podsLooksMax && context.mayLookAtPods())
      due.push(record);
    else context.wakeAt(unit, Math.max(atMs, clock.now() + 100));
  }
  let isNews = false;
  for (const record of due) {
    const text = objectKeyText(record.key);
    const before = unit.podLooks.get(text);
    const trouble = await troubleOf(context, unit, record);
    const look = { ...trouble, lookedAtMs: clock.now(), looks: (before?.looks ?? 0) + 1 };
    isNews ||= before?.message !== look.message;
    // It may have become healthy meanwhile, and then nothing keeps it from going.
    const now = live.get(text);
    if (!now || !hasPodsToLookAt(now)) continue;
    unit.podLooks.set(text, look);
    if (now.health === 'Progressing') {
      context.wakeAt(unit, nextLookAtMs(now, look, clock.now()));
    }
  }
  return isNews;
}

function nextLookAtMs(record: LiveRecord, look: PodLook | undefined, nowMs: number): number {
  if (!look) return (record.progressingSinceMs ?? nowMs - podsLookDelayMs) + podsLookDelayMs;
  return look.lookedAtMs + Math.min(podsLookDelayMs * 2 ** look.looks, podsLookIntervalMsMax);
}

const hasPodsToLookAt = (record: LiveRecord): boolean =>
  record.podSelector !== '' && (record.health === 'Progressing' || record.health === 'Degraded');

type Trouble = Pick<PodLook, 'message' | 'isBroken'>;

async function troubleOf(context: Context, unit: Unit, record: LiveRecord): Promise<Trouble> {
  try {
    const pods = await context.cluster.list('v1', 'Pod', {
      namespace: record.key.namespace,
      labelSelector: record.podSelector,
      objectsMax: podsOfWorkloadMax,
      signal: unit.work.signal,
    });
    return worstTrouble(pods);
  } catch (error) {
    context.logger.debug({ unit: unit.id, error }, 'the pods of a workload cannot be listed');
    return { message: '', isBroken: false };
  }
}

/** A pod that cannot start or keeps crashing says more than one that only waits for a node. */
function worstTrouble(pods: readonly KubernetesObject[]): Trouble {
  let waiting = '';
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    const trouble = podTrouble(pod);
    if (trouble === '') continue;
    const message = `${pod.metadata.name}: ${trouble}`;
    if (healthOf(pod).health === 'Degraded') return { message, isBroken: true };
    waiting ||= message;
  }
  return { message: waiting, isBroken: false };
}

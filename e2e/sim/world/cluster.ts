import type { KubernetesObject } from '@fairlead/shared/manifest';
import {
  addressOf,
  ClusterError,
  createMemoryCluster,
  type MemoryCluster,
} from '../../../agent/src/cluster/index.ts';
import type { Chance } from './chance.ts';
import { imageOf } from './repository.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A Kubernetes cluster with its controllers; it outlives its agent, and its API server may be away. */
export type SimulatedCluster = {
  readonly memory: MemoryCluster;
  readonly loseApi: (durationMs: number) => void;
  readonly restoreApi: () => void;
  /** Every Deployment stops working for a while. */
  readonly degrade: (durationMs: number) => void;
  /** Somebody changes or deletes an object that the agent applied. */
  readonly meddle: (which: number, deletes: boolean) => void;
};

export function createSimulatedCluster(time: VirtualTime, chance: Chance): SimulatedCluster {
  let apiAwayUntilMs = 0;
  const memory: MemoryCluster = createMemoryCluster({
    statusOf: (object) => {
      if (object.kind !== 'Deployment') return undefined;
      followRollout(object);
      return statusOf(object, 0);
    },
    onRequest: () => {
      if (time.nowMs() < apiAwayUntilMs) throw new ClusterError('unavailable', 'the API is away');
    },
  });

  /** By uid: what is left of an older one changes nothing any more. */
  const newest = new Map<string | undefined, number | undefined>();
  const later = (delayMs: number, object: KubernetesObject, available: number) => {
    const { uid, generation } = object.metadata;
    time.after(delayMs, () => {
      if (newest.get(uid) === generation) {
        memory.setStatus(addressOf(object), statusOf(object, available));
      }
    });
  };
  /** What the Deployment controller and the pods would do. */
  const followRollout = ({ ...object }: KubernetesObject) => {
    object.metadata = { ...object.metadata };
    newest.set(object.metadata.uid, object.metadata.generation);
    const [behaviour] = imageOf(object).split(':');
    if (behaviour === 'never-healthy') return;
    const readyMs = behaviour === 'slow' ? chance.between(15_000, 100_000) : 1_500;
    later(readyMs, object, 1);
    if (behaviour === 'breaks-later') later(readyMs + chance.between(10_000, 120_000), object, -1);
  };

  return {
    memory,
    loseApi: (durationMs) => {
      apiAwayUntilMs = Math.max(apiAwayUntilMs, time.nowMs() + durationMs);
    },
    restoreApi: () => {
      apiAwayUntilMs = 0;
    },
    degrade: (durationMs) => {
      for (const object of memory.objects()) {
        if (object.kind !== 'Deployment' || availableOf(object) !== 1) continue;
        memory.setStatus(addressOf(object), statusOf(object, -1));
        later(durationMs, object, 1);
      }
    },
    meddle: (which, deletes) => {
      const owned = memory.objects().filter(({ kind }) => kind === 'ConfigMap');
      const object = owned[which % Math.max(1, owned.length)];
      if (!object) return;
      const address = addressOf(object);
      if (deletes) memory.drop(address);
      else {
        memory.edit(address, 'somebody', (edited) => {
          edited.data = { ...(edited.data as object), value: 'meddled' };
        });
      }
    },
  };
}

export const availableOf = ({ status }: KubernetesObject): number =>
  Number((status as { availableReplicas?: number } | undefined)?.availableReplicas ?? 0);

/** -1 available: broken for good, as the Deployment controller says after its own deadline. */
function statusOf(object: KubernetesObject, available: number): Record<string, unknown> {
  const broken = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }];
  return {
    observedGeneration: object.metadata.generation,
    replicas: 1,
    updatedReplicas: 1,
    readyReplicas: Math.max(0, available),
    availableReplicas: Math.max(0, available),
    ...(available < 0 ? { conditions: broken } : {}),
  };
}

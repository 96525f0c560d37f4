import type { KubernetesObject } from '@fairlead/shared/manifest';
import {
  conditionOf,
  conditionText,
  isObserved,
  mappingAt,
  numberOf,
  specOf,
  statusOf,
  textOf,
} from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing, suspended } from './state.ts';

const unobserved = progressing('waits for the controller to see the newest specification');
const count = (value: unknown): number => numberOf(value, 0);

/** Done when every replica is of the newest template and available, and no older one is left (`kubectl rollout status`). */
export function deploymentHealth(object: KubernetesObject): ObjectHealth {
  const spec = specOf(object);
  const status = statusOf(object);
  if (spec.paused === true) return suspended('the rollout is paused');
  if (!isObserved(object)) return unobserved;
  const progress = conditionOf(status, 'Progressing');
  if (progress?.reason === 'ProgressDeadlineExceeded') return degraded(conditionText(progress));
  const desired = numberOf(spec.replicas, 1);
  const updated = count(status.updatedReplicas);
  const total = count(status.replicas);
  const available = count(status.availableReplicas);
  // Quota and admission refusals; they may pass, and the progress deadline judges when they do not.
  const failure = conditionOf(status, 'ReplicaFailure');
  const reason = failure?.status === 'True' ? `: ${conditionText(failure)}` : '';
  if (updated < desired) return progressing(`${updated} of ${desired} replicas updated${reason}`);
  if (total > updated) return progressing(`${total - updated} old replicas left${reason}`);
  if (available < updated) return progressing(`${available} of ${updated} replicas available`);
  return healthy();
}

export function replicaSetHealth(object: KubernetesObject): ObjectHealth {
  const status = statusOf(object);
  if (!isObserved(object)) return unobserved;
  const failure = conditionOf(status, 'ReplicaFailure');
  if (failure?.status === 'True') return degraded(conditionText(failure));
  const desired = numberOf(specOf(object).replicas, 1);
  const available = count(status.availableReplicas);
  if (available < desired) return progressing(`${available} of ${desired} replicas available`);
  return healthy();
}

/** With OnDelete a person replaces the pods, so old revisions count; with a partition only the ordinals above it roll. */
export function statefulSetHealth(object: KubernetesObject): ObjectHealth {
  const spec = specOf(object);
  const status = statusOf(object);
  if (!isObserved(object)) return unobserved;
  const desired = numberOf(spec.replicas, 1);
  const ready = count(status.readyReplicas);
  if (ready < desired) return progressing(`${ready} of ${desired} replicas ready`);
  if (count(status.replicas) > desired) {
    return progressing(`${count(status.replicas) - desired} replicas too many`);
  }
  const strategy = mappingAt(spec, 'updateStrategy');
  if (strategy.type === 'OnDelete') return healthy();
  const partition = count(mappingAt(strategy, 'rollingUpdate').partition);
  const toUpdate = Math.max(0, desired - partition);
  const updated = count(status.updatedReplicas);
  const current = textOf(status.currentRevision);
  if (partition > 0) {
    return updated < toUpdate
      ? progressing(`${updated} of ${toUpdate} replicas above partition ${partition} updated`)
      : healthy();
  }
  if (current !== textOf(status.updateRevision)) {
    return progressing(`${updated} of ${desired} replicas updated`);
  }
  return healthy();
}

export function daemonSetHealth(object: KubernetesObject): ObjectHealth {
  const status = statusOf(object);
  if (!isObserved(object) || status.observedGeneration === undefined) return unobserved;
  const desired = count(status.desiredNumberScheduled);
  const updated = count(status.updatedNumberScheduled);
  const available = count(status.numberAvailable);
  const byHand = mappingAt(specOf(object), 'updateStrategy').type === 'OnDelete';
  if (!byHand && updated < desired) return progressing(`${updated} of ${desired} pods updated`);
  if (available < desired) return progressing(`${available} of ${desired} pods available`);
  return healthy();
}

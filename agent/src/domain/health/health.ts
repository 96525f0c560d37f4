import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import { daemonSetHealth, deploymentHealth, replicaSetHealth, statefulSetHealth } from './apps.ts';
import { horizontalPodAutoscalerHealth } from './autoscaling.ts';
import { cronJobHealth, jobHealth } from './batch.ts';
import {
  namespaceHealth,
  persistentVolumeClaimHealth,
  replicationControllerHealth,
  serviceHealth,
} from './core.ts';
import { apiServiceHealth, customResourceDefinitionHealth } from './extensions.ts';
import { genericHealth } from './generic.ts';
import { ingressHealth } from './networking.ts';
import { podHealth } from './pod.ts';
import { podDisruptionBudgetHealth } from './policy.ts';
import { isBehind, listOf, mappingAt, textOf } from './read.ts';
import { type ObjectHealth, progressing } from './state.ts';

type Rule = (object: KubernetesObject) => ObjectHealth;

/** `group/kind`; the core group is empty. Versions of a kind share a rule, because its meaning does not change. */
const rules: Readonly<Record<string, Rule>> = {
  '/Namespace': namespaceHealth,
  '/PersistentVolumeClaim': persistentVolumeClaimHealth,
  '/Pod': podHealth,
  '/ReplicationController': replicationControllerHealth,
  '/Service': serviceHealth,
  'apiextensions.k8s.io/CustomResourceDefinition': customResourceDefinitionHealth,
  'apiregistration.k8s.io/APIService': apiServiceHealth,
  'apps/DaemonSet': daemonSetHealth,
  'apps/Deployment': deploymentHealth,
  'apps/ReplicaSet': replicaSetHealth,
  'apps/StatefulSet': statefulSetHealth,
  'autoscaling/HorizontalPodAutoscaler': horizontalPodAutoscalerHealth,
  'batch/CronJob': cronJobHealth,
  'batch/Job': jobHealth,
  'extensions/Ingress': ingressHealth,
  'networking.k8s.io/Ingress': ingressHealth,
  'policy/PodDisruptionBudget': podDisruptionBudgetHealth,
};

/** A rule that need not know the object's kind. */
export type HealthRule = (object: KubernetesObject) => ObjectHealth | undefined;

/** Whether the kind is judged here, without the table for custom kinds. */
export const hasOwnRule = (apiVersion: string, kind: string): boolean => {
  const group = groupOf(apiVersion);
  return (
    !group.includes('.') || kubernetesGroups.has(group) || Object.hasOwn(rules, `${group}/${kind}`)
  );
};

// Groups with a dot that every cluster serves.
const kubernetesGroups = new Set([
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'networking.k8s.io',
  'node.k8s.io',
  'rbac.authorization.k8s.io',
  'scheduling.k8s.io',
  'storage.k8s.io',
]);

export type HealthOptions = {
  /** The kind has a status subresource, and its controller has not had the time to write it. */
  readonly expectsStatus?: boolean;
  /** Rules for custom kinds; they are asked for those that have none here. */
  readonly rules?: HealthRule;
  /** A unit's own rules, which go before all others. */
  readonly ownRules?: HealthRule;
};

/** The health of a live object. `Missing` is for the caller that finds none, and for kinds that report on others. */
export function healthOf(object: KubernetesObject, options: HealthOptions = {}): ObjectHealth {
  const metadata = mappingAt(object, 'metadata');
  if (textOf(metadata.deletionTimestamp) !== '') {
    const finalizers = listOf(metadata.finalizers).map(String);
    const holders = finalizers.length > 0 ? `; held by ${finalizers.join(', ')}` : '';
    return progressing(`is being deleted${holders}`);
  }
  if (options.ownRules) {
    const own = isBehind(object) ? undefined : options.ownRules(object);
    if (own) return own;
  }
  const rule = rules[`${groupOf(object.apiVersion)}/${object.kind}`];
  if (rule) return rule(object);
  const custom = options.rules;
  if (custom && isBehind(object)) return behind;
  return custom?.(object) ?? genericHealth(object, options.expectsStatus ?? false);
}

const behind = progressing('waits for the controller to see the newest specification');

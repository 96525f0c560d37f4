import {
  groupOf,
  type KubernetesObject,
  objectKey,
  objectKeyText,
} from '@fairlead/shared/manifest';
import { declaredWave } from './annotations.ts';
import { hookOf, hookWeight } from './hooks.ts';

/**
 * Phases by kind: what others are defined by, what they read, what runs, and what may stand in the way of others
 * (a webhook that answers late would block the rest of its own unit).
 */
const phaseNames = ['definitions', 'configuration', 'bindings', 'workloads', 'webhooks'] as const;
export type PhaseName = (typeof phaseNames)[number];

const definitions = ['/Namespace', 'apiextensions.k8s.io/CustomResourceDefinition'];

const configuration = [
  '/ConfigMap',
  '/LimitRange',
  '/PersistentVolume',
  '/PersistentVolumeClaim',
  '/ResourceQuota',
  '/Secret',
  '/Service',
  '/ServiceAccount',
  'networking.k8s.io/IngressClass',
  'networking.k8s.io/NetworkPolicy',
  'node.k8s.io/RuntimeClass',
  'rbac.authorization.k8s.io/ClusterRole',
  'rbac.authorization.k8s.io/Role',
  'scheduling.k8s.io/PriorityClass',
  'storage.k8s.io/StorageClass',
];

/** Who grants a role without having the right to "bind" is checked against the role's rules, so it must exist by then. */
const bindings = [
  'rbac.authorization.k8s.io/ClusterRoleBinding',
  'rbac.authorization.k8s.io/RoleBinding',
];

const webhooks = [
  'admissionregistration.k8s.io/MutatingAdmissionPolicy',
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding',
  'admissionregistration.k8s.io/MutatingWebhookConfiguration',
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy',
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding',
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration',
  'apiregistration.k8s.io/APIService',
];

const phaseOfKind: ReadonlyMap<string, PhaseName> = new Map([
  ...definitions.map((kind) => [kind, 'definitions'] as const),
  ...configuration.map((kind) => [kind, 'configuration'] as const),
  ...bindings.map((kind) => [kind, 'bindings'] as const),
  ...webhooks.map((kind) => [kind, 'webhooks'] as const),
]);

export const phaseOf = ({ apiVersion, kind }: Pick<KubernetesObject, 'apiVersion' | 'kind'>) =>
  phaseOfKind.get(`${groupOf(apiVersion)}/${kind}`) ?? 'workloads';

/** Hooks run before all waves, within them, or after all of them. */
const sections = ['before', 'main', 'after'] as const;

export type Position = {
  readonly section: (typeof sections)[number];
  /** -Infinity: before every wave. */
  readonly wave: number;
  readonly phase: PhaseName;
};

/**
 * Definitions that declare no wave come before all waves, because any of them may need its namespace or its kind.
 * A declared wave decides first and the kind second, as in Argo CD.
 */
export function positionOf(object: KubernetesObject): Position {
  const phase = phaseOf(object);
  const declared = declaredWave(object.metadata);
  const hook = hookOf(object);
  if (typeof hook === 'object' && (hook.when === 'before' || hook.when === 'after')) {
    const wave = typeof declared === 'number' ? declared : hookWeight(object);
    return { section: hook.when, wave, phase };
  }
  if (typeof declared === 'number') return { section: 'main', wave: declared, phase };
  const wave = phase === 'definitions' ? Number.NEGATIVE_INFINITY : 0;
  return { section: 'main', wave, phase };
}

export const comparePositions = (left: Position, right: Position): number =>
  sectionRank(left) !== sectionRank(right)
    ? sectionRank(left) - sectionRank(right)
    : left.wave === right.wave
      ? phaseNames.indexOf(left.phase) - phaseNames.indexOf(right.phase)
      : left.wave - right.wave;

const sectionRank = ({ section, wave }: Position): number =>
  wave === Number.NEGATIVE_INFINITY ? -1 : sections.indexOf(section);

export const keyTextOf = (object: KubernetesObject): string => objectKeyText(objectKey(object));

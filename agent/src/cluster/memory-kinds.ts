import type { Resource } from './port.ts';

const kinds = (
  apiVersion: string,
  namespaced: boolean,
  names: string,
  hasStatus = true,
): Resource[] =>
  names.split(' ').map((kind) => ({
    apiVersion,
    kind,
    plural: `${kind.toLowerCase()}s`,
    namespaced,
    hasStatus,
  }));

/** What the cluster in memory says it is. */
export const memoryVersion = 'v1.37.0';

/** What the cluster in memory serves before any definition is applied. */
export const memoryKinds: readonly Resource[] = [
  ...kinds('v1', false, 'Namespace Node PersistentVolume'),
  ...kinds('v1', true, 'ConfigMap Secret Service ServiceAccount Pod PersistentVolumeClaim'),
  ...kinds('apps/v1', true, 'Deployment StatefulSet DaemonSet ReplicaSet'),
  ...kinds('batch/v1', true, 'Job CronJob'),
  ...kinds('networking.k8s.io/v1', true, 'Ingress NetworkPolicy'),
  ...kinds('rbac.authorization.k8s.io/v1', false, 'ClusterRole ClusterRoleBinding'),
  ...kinds('rbac.authorization.k8s.io/v1', true, 'Role RoleBinding'),
  ...kinds('apiextensions.k8s.io/v1', false, 'CustomResourceDefinition'),
  ...kinds(
    'admissionregistration.k8s.io/v1',
    false,
    'ValidatingWebhookConfiguration MutatingWebhookConfiguration',
  ),
  ...kinds('fairlead.dev/v1alpha1', true, 'Unit', false),
];

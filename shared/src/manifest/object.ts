/** A Kubernetes object as it goes over the wire; what is below `metadata` is typed only where it is read here. */
export type KubernetesObject = {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    finalizers?: string[];
    ownerReferences?: {
      uid: string;
      kind: string;
      name: string;
      apiVersion: string;
      controller?: boolean;
    }[];
    managedFields?: unknown[];
  };
  [field: string]: unknown;
};

/** Identity that outlives API versions: the core group is the empty text, a cluster-scoped object's namespace too. */
export type ObjectKey = {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
};

/** The group of an apiVersion: `apps` of `apps/v1`, empty of `v1`. */
export const groupOf = (apiVersion: string): string =>
  apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';

export const objectKey = (object: KubernetesObject): ObjectKey => ({
  group: groupOf(object.apiVersion),
  kind: object.kind,
  namespace: object.metadata.namespace ?? '',
  name: object.metadata.name,
});

/** `group/kind/namespace/name`, with empty parts kept: unique, and parsed back by `parseObjectKey`. */
export const objectKeyText = (key: ObjectKey): string =>
  `${key.group}/${key.kind}/${key.namespace}/${key.name}`;

export function parseObjectKey(text: string): ObjectKey | undefined {
  const parts = text.split('/');
  if (parts.length !== 4) return undefined;
  const [group = '', kind = '', namespace = '', name = ''] = parts;
  return kind === '' || name === '' ? undefined : { group, kind, namespace, name };
}

/** A total order by group, kind, namespace, name. */
export function compareObjectKeys(left: ObjectKey, right: ObjectKey): number {
  const leftText = objectKeyText(left);
  const rightText = objectKeyText(right);
  return leftText < rightText ? -1 : leftText > rightText ? 1 : 0;
}

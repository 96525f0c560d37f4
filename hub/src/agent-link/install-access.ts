/** Where an agent lives unless it is told otherwise. */
export const agentNamespaceDefault = 'fairlead-system';

export type InstallScope = {
  /** Namespaces in which the agent works; absent is the whole cluster. */
  readonly namespaces?: readonly string[];
  /**
   * `own`: the agent applies what a unit holds by its own rights, unless the unit names a service account. `impersonate`: the
   * agent itself may only look, so that a unit without a service account can change nothing.
   */
  readonly rights?: 'own' | 'impersonate';
};

/** Several agents may share a Kubernetes cluster, each in its own namespace: what lies outside of it is named by it. */
const ownName = (name: string, namespace: string): string => {
  const owner = JSON.parse(namespace) as string;
  return owner === agentNamespaceDefault ? name : `${name}-${owner}`;
};

/** The agent's service account with its roles; names are JSON strings, and so YAML ones. */
export function accessDocuments(namespace: string, scope: InstallScope): string {
  const { namespaces } = scope;
  const units = namespaces
    ? namespaces.map((name) => namespacedAccess(JSON.stringify(name), namespace, scope))
    : [clusterAccess(namespace, scope)];
  const cluster = namespaces ? [clusterIdentityAccess(namespace)] : [];
  return [serviceAccount(namespace), ...units, ...cluster, ownAccess(namespace)].join('\n');
}

const serviceAccount = (namespace: string): string => `apiVersion: v1
kind: ServiceAccount
metadata:
  name: fairlead-agent
  namespace: ${namespace}
---`;

const rulesOf = ({ rights }: InstallScope): string => `rules:
- apiGroups: ["*"]
  resources: ["*"]
  verbs: ${rights === 'impersonate' ? '[get, list, watch]' : '[get, list, watch, create, patch, update, delete]'}
# A unit with a service account is applied as that account, and can do nothing that the account may not.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [impersonate]`;

const words = ({ rights }: InstallScope): string =>
  rights === 'impersonate'
    ? `# The agent looks, and changes nothing by itself: each unit names a service account, and what that account may do is
# decided by whoever binds roles to it.`
    : `# The agent applies whatever the environment repository holds, so it needs these verbs on every kind. It needs no
# non-resource URL, and neither "escalate" nor "bind": Kubernetes then lets it grant no right that it does not have
# itself. Whoever wants less replaces this role; what the agent may not do, its unit reports.`;

const clusterAccess = (namespace: string, scope: InstallScope): string => `${words(scope)}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: ${ownName('fairlead-agent', namespace)}
  labels:
    app.kubernetes.io/part-of: fairlead
${rulesOf(scope)}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: ${ownName('fairlead-agent', namespace)}
  labels:
    app.kubernetes.io/part-of: fairlead
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ${ownName('fairlead-agent', namespace)}}
subjects:
- {kind: ServiceAccount, name: fairlead-agent, namespace: ${namespace}}
---`;

const namespacedAccess = (
  place: string,
  namespace: string,
  scope: InstallScope,
): string => `${words(scope)} It works in this namespace, which must be there, and in no other
# but those beside it.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: ${ownName('fairlead-agent-units', namespace)}
  namespace: ${place}
  labels:
    app.kubernetes.io/part-of: fairlead
${rulesOf(scope)}
---
${binding(ownName('fairlead-agent-units', namespace), place, namespace)}
---`;

const binding = (
  role: string,
  place: string,
  namespace: string,
): string => `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: ${role}
  namespace: ${place}
  labels:
    app.kubernetes.io/part-of: fairlead
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ${role}}
subjects:
- {kind: ServiceAccount, name: fairlead-agent, namespace: ${namespace}}`;

const clusterIdentityAccess = (
  namespace: string,
): string => `# The UID of this one namespace object tells the hub a rebuilt cluster from the old one. Nothing in the namespace is read.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: ${ownName('fairlead-agent-identity', namespace)}
  namespace: kube-system
  labels:
    app.kubernetes.io/part-of: fairlead
rules:
- {apiGroups: [""], resources: [namespaces], resourceNames: [kube-system], verbs: [get]}
---
${binding(ownName('fairlead-agent-identity', namespace), 'kube-system', namespace)}
---`;

const ownAccess = (
  namespace: string,
): string => `# What the agent needs for itself, kept apart so that it still works when the role above is narrowed.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: fairlead-agent
  namespace: ${namespace}
rules:
# "create" cannot be limited to a name, because the name is not known before the object exists.
- {apiGroups: [""], resources: [secrets], verbs: [create]}
- {apiGroups: [""], resources: [secrets], resourceNames: [fairlead-agent-identity], verbs: [get, update, patch]}
# The cluster's policy, the keys that it trusts, and keys to decrypt with: read, never written.
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [secrets], verbs: [get]}
- {apiGroups: [""], resources: [namespaces], resourceNames: [${namespace}], verbs: [get]}
- {apiGroups: [fairlead.dev], resources: [units], verbs: [get, list, watch, create, patch, update, delete]}
---
${binding('fairlead-agent', namespace, namespace)}
---`;

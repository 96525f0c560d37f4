import { unitDefinition } from '@fairlead/shared/manifest';
import { stringify } from 'yaml';
import { accessDocuments, agentNamespaceDefault, type InstallScope } from './install-access.ts';

export type InstallManifestOptions = InstallScope & {
  readonly clusterName: string;
  readonly joinToken: string;
  /** `sha256:<hex>` of the hub's authority, which the agent must find before it sends anything. */
  readonly caKeyHash: string;
  /** `host:port` of the enrolment listener. */
  readonly enrolAddress: string;
  readonly image: string;
  readonly agentNamespace?: string;
  /** Without the cluster's policy its agent then permits nothing. */
  readonly requirePolicy?: boolean;
};

/** Everything that `kubectl apply -f -` needs to install an agent which then joins as `clusterName`. */
export function renderInstallManifest(options: InstallManifestOptions): string {
  const namespace = options.agentNamespace ?? agentNamespaceDefault;
  // A JSON string is a YAML string, so no value can end its own line or start another document.
  const text = (value: string) => JSON.stringify(value);
  return [
    `# Installs the Fairlead agent, which joins the hub at ${oneLine(options.enrolAddress)} as ${oneLine(options.clusterName)}.`,
    '# The join token below works once and for ten minutes. The agent opens no port but its own health and metrics.',
    namespaceDocument(text(namespace)),
    unitDefinitionDocument,
    accessDocuments(text(namespace), options),
    joinSecret(options, text(namespace)),
    workload(text(namespace), options),
  ].join('\n');
}

const oneLine = (value: string): string => value.replaceAll(/[^\x20-\x7e]/g, '?');

const namespaceDocument = (namespace: string): string => `apiVersion: v1
kind: Namespace
metadata:
  name: ${namespace}
  labels:
    app.kubernetes.io/part-of: fairlead
    pod-security.kubernetes.io/enforce: restricted
---`;

const unitDefinitionDocument = `# One Unit for each thing that the hub assigned: what was accepted and how it is. \`kubectl get units -A\` shows them.
${stringify(unitDefinition, { lineWidth: 0 })}---`;

const joinSecret = (options: InstallManifestOptions, namespace: string): string => `apiVersion: v1
kind: Secret
metadata:
  name: fairlead-agent-join
  namespace: ${namespace}
type: Opaque
stringData:
  clusterName: ${JSON.stringify(options.clusterName)}
  enrolAddress: ${JSON.stringify(options.enrolAddress)}
  # The agent sends its token to no hub but the one with this key.
  caKeyHash: ${JSON.stringify(options.caKeyHash)}
  joinToken: ${JSON.stringify(options.joinToken)}
---`;

/** What only some installs set; each line ends itself. */
function scopeVariables({ namespaces, requirePolicy }: InstallManifestOptions): string {
  const lines = [];
  if (namespaces) {
    const value = JSON.stringify(namespaces.join(','));
    lines.push(`        - {name: FAIRLEAD_WATCH_NAMESPACES, value: ${value}}\n`);
  }
  if (requirePolicy) {
    lines.push(
      '        # Until there is a ConfigMap fairlead-policy the agent permits nothing.\n',
      '        - {name: FAIRLEAD_POLICY_REQUIRED, value: "true"}\n',
    );
  }
  return lines.join('');
}

const workload = (
  namespace: string,
  options: InstallManifestOptions,
): string => `# A StatefulSet of one: never two agents at a time, and the journal's disk comes back with the pod.
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: fairlead-agent
  namespace: ${namespace}
  labels:
    app.kubernetes.io/name: fairlead-agent
    app.kubernetes.io/part-of: fairlead
spec:
  replicas: 1
  serviceName: fairlead-agent
  selector:
    matchLabels:
      app.kubernetes.io/name: fairlead-agent
  template:
    metadata:
      labels:
        app.kubernetes.io/name: fairlead-agent
        app.kubernetes.io/part-of: fairlead
    spec:
      serviceAccountName: fairlead-agent
      terminationGracePeriodSeconds: 30
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: agent
        image: ${JSON.stringify(options.image)}
        env:
        - {name: FAIRLEAD_CLUSTER_NAME, valueFrom: {secretKeyRef: {name: fairlead-agent-join, key: clusterName}}}
        - {name: FAIRLEAD_ENROL_ADDRESS, valueFrom: {secretKeyRef: {name: fairlead-agent-join, key: enrolAddress}}}
        - {name: FAIRLEAD_CA_KEY_HASH, valueFrom: {secretKeyRef: {name: fairlead-agent-join, key: caKeyHash}}}
        # Used once; the key may be removed from the Secret when the agent has joined.
        - {name: FAIRLEAD_JOIN_TOKEN, valueFrom: {secretKeyRef: {name: fairlead-agent-join, key: joinToken, optional: true}}}
        - {name: FAIRLEAD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
${scopeVariables(options)}        - {name: FAIRLEAD_DATA_DIR, value: /var/lib/fairlead}
        # The kubelet probes the pod's address. Only health and metrics answer there, and they take nothing in.
        - {name: FAIRLEAD_HEALTH_HOST, value: "0.0.0.0"}
        - {name: FAIRLEAD_HEALTH_PORT, value: "9084"}
        ports:
        - {name: health, containerPort: 9084}
        livenessProbe:
          httpGet: {path: /livez, port: health}
          periodSeconds: 20
          timeoutSeconds: 5
          failureThreshold: 6
        readinessProbe:
          httpGet: {path: /healthz, port: health}
          periodSeconds: 10
          timeoutSeconds: 5
        resources:
          requests: {cpu: 10m, memory: 64Mi}
          # The agent itself stays far below; two renderings may take 384 MiB each before they are refused.
          limits: {memory: 1Gi}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
        volumeMounts:
        - {name: journal, mountPath: /var/lib/fairlead}
        - {name: temporary, mountPath: /tmp}
      volumes:
      # Rendered trees; gone with the pod.
      - {name: temporary, emptyDir: {sizeLimit: 1Gi}}
  volumeClaimTemplates:
  - metadata:
      name: journal
    spec:
      accessModes: [ReadWriteOnce]
      resources:
        requests: {storage: 1Gi}
`;

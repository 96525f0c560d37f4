import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { healthOf } from '../health/index.ts';
import { createRuleLookup, healthTable } from './index.ts';

const rules = createRuleLookup(healthTable);

// apiVersion Kind | parts of the object as YAML; `ready: R/m` stands for a condition | health
// `c: {Ready: True}` writes conditions: the status, and after a slash reason and message.
const table = `
cert-manager.io/v1 CertificateRequest | c: {Ready: False/Pending/Waiting on certificate issuance}                        | Progressing
cert-manager.io/v1 CertificateRequest | c: {Ready: False/Failed/The CSR was refused}                                     | Degraded
cert-manager.io/v1 CertificateRequest | c: {Denied: True/Policy/no, Ready: False/Denied/no}                              | Degraded
cert-manager.io/v1 Issuer             | c: {Ready: True}                                                                 | Healthy
acme.cert-manager.io/v1 Order         | status: {state: pending}                                                         | Progressing
acme.cert-manager.io/v1 Order         | status: {state: valid}                                                           | Healthy
acme.cert-manager.io/v1 Challenge     | status: {state: invalid, reason: wrong answer}                                   | Degraded
ec2.aws.upbound.io/v1beta1 VPC        | c: {Synced: True, Ready: True}                                                   | Healthy
ec2.aws.upbound.io/v1beta1 VPC        | c: {Synced: True, Ready: False/Creating}                                         | Progressing
ec2.aws.upbound.io/v1beta1 VPC        | c: {Synced: False/ReconcileError/denied, Ready: True}                            | Degraded
ec2.aws.upbound.io/v1beta1 VPC        | c: {Synced: False/ReconcilePaused, Ready: True}                                  | Suspended
pkg.crossplane.io/v1 Provider         | c: {Installed: True, Healthy: True}                                              | Healthy
pkg.crossplane.io/v1 Provider         | c: {Installed: False/UnpackingPackage}                                           | Progressing
pkg.crossplane.io/v1 Function         | c: {Installed: True, Healthy: Unknown}                                           | Progressing
platform.example.com/v1 XDatabase     | c: {Synced: True, Ready: False/Creating}                                         | Progressing
platform.example.com/v1 XDatabase     | c: {Synced: False/ReconcileError/cannot compose, Ready: True}                    | Degraded
cluster.x-k8s.io/v1beta1 Cluster      | status: {phase: Provisioned}, c: {Ready: True}                                   | Healthy
cluster.x-k8s.io/v1beta2 Machine      | status: {phase: Running}, c: {Available: True, Ready: True}                      | Healthy
cluster.x-k8s.io/v1beta1 Machine      | status: {phase: Failed, failureMessage: instance is gone}                        | Degraded
cluster.x-k8s.io/v1beta1 Cluster      | spec: {paused: true}, status: {phase: Provisioned}                               | Suspended
controlplane.cluster.x-k8s.io/v1beta1 KubeadmControlPlane | spec: {replicas: 3}, status: {replicas: 3, readyReplicas: 2}, c: {Ready: True} | Progressing
controlplane.cluster.x-k8s.io/v1beta1 KubeadmControlPlane | spec: {replicas: 3}, status: {replicas: 3, readyReplicas: 3}, c: {Ready: True} | Healthy
argoproj.io/v1alpha1 Application      | status: {health: {status: Degraded, message: broken}}                            | Degraded
argoproj.io/v1alpha1 Application      | status: {health: {status: Missing}}                                              | Missing
argoproj.io/v1alpha1 Workflow         | status: {phase: Running}                                                         | Progressing
argoproj.io/v1alpha1 Workflow         | status: {phase: Succeeded}                                                       | Healthy
argoproj.io/v1alpha1 Workflow         | status: {phase: Error, message: no such template}                                | Degraded
argoproj.io/v1alpha1 Sensor           | c: {DependenciesProvided: True, TriggersProvided: True, Deployed: True}          | Healthy
argoproj.io/v1alpha1 EventSource      | c: {SourcesProvided: True, Deployed: False/DeployFailed/no image}                | Degraded
argoproj.io/v1alpha1 AppProject       | status: {}                                                                       | Healthy
kustomize.toolkit.fluxcd.io/v1 Kustomization | c: {Ready: True/ReconciliationSucceeded}                                  | Healthy
kustomize.toolkit.fluxcd.io/v1 Kustomization | c: {Ready: Unknown/Progressing, Reconciling: True}                        | Progressing
kustomize.toolkit.fluxcd.io/v1 Kustomization | c: {Ready: False/HealthCheckFailed/timeout waiting}                       | Degraded
kustomize.toolkit.fluxcd.io/v1 Kustomization | spec: {suspend: true}, c: {Ready: True}                                   | Suspended
helm.toolkit.fluxcd.io/v2 HelmRelease | c: {Stalled: True/RetriesExceeded, Ready: False/UpgradeFailed}                   | Degraded
serving.knative.dev/v1 Service        | c: {Ready: Unknown/Deploying}                                                    | Progressing
serving.knative.dev/v1 Service        | c: {Ready: False/RevisionMissing}                                                | Degraded
serving.knative.dev/v1 Revision       | c: {Ready: True, Active: False/NoTraffic}                                        | Healthy
eventing.knative.dev/v1 Broker        | c: {Ready: True}                                                                 | Healthy
networking.istio.io/v1 VirtualService | status: {}                                                                       | Healthy
networking.istio.io/v1 VirtualService | status: {validationMessages: [{level: ERROR}]}                                   | Degraded
gateway.networking.k8s.io/v1 GatewayClass | c: {Accepted: True}                                                          | Healthy
gateway.networking.k8s.io/v1 GatewayClass | c: {Accepted: Unknown/Pending}                                               | Progressing
gateway.networking.k8s.io/v1 Gateway  | c: {Accepted: True, Programmed: False/AddressNotAssigned}                        | Degraded
gateway.networking.k8s.io/v1 Gateway  | c: {Accepted: True, Programmed: True}                                            | Healthy
gateway.networking.k8s.io/v1 HTTPRoute | status: {parents: [{conditions: [{type: Accepted, status: "True"}]}]}           | Healthy
gateway.networking.k8s.io/v1 HTTPRoute | status: {parents: [{conditions: [{type: Accepted, status: "False", reason: NoMatchingParent}]}]} | Degraded
gateway.networking.k8s.io/v1 HTTPRoute | status: {parents: []}                                                           | Progressing
keda.sh/v1alpha1 ScaledJob            | c: {Ready: True}                                                                 | Healthy
kafka.strimzi.io/v1beta2 KafkaMirrorMaker2 | c: {NotReady: True/Creating/Kafka cluster is being deployed}                | Progressing
kafka.strimzi.io/v1beta2 KafkaConnector | c: {Ready: True}                                                               | Healthy
monitoring.coreos.com/v1 Alertmanager | c: {Available: True, Reconciled: True}                                           | Healthy
monitoring.coreos.com/v1 Alertmanager | c: {Available: True, Reconciled: False/ReconciliationFailed/bad config}          | Degraded
monitoring.coreos.com/v1 ServiceMonitor | status: {}                                                                     | Healthy
external-secrets.io/v1 PushSecret     | c: {Ready: False/Errored/set secret failed}                                      | Degraded
secrets.hashicorp.com/v1beta1 VaultStaticSecret | c: {SecretSynced: True}                                                | Healthy
kyverno.io/v1 ClusterPolicy           | c: {Ready: True}                                                                 | Healthy
kyverno.io/v1 ClusterPolicy           | c: {Ready: False/Failed}                                                         | Degraded
velero.io/v1 Backup                   | status: {phase: InProgress}                                                      | Progressing
velero.io/v1 Backup                   | status: {phase: PartiallyFailed}                                                 | Degraded
velero.io/v1 Backup                   | status: {phase: Completed}                                                       | Healthy
velero.io/v1 Schedule                 | spec: {paused: true}, status: {phase: Enabled}                                   | Suspended
velero.io/v1 BackupStorageLocation    | status: {phase: Unavailable, message: no bucket}                                 | Degraded
ceph.rook.io/v1 CephBlockPool         | status: {phase: Progressing}                                                     | Progressing
ceph.rook.io/v1 CephBlockPool         | status: {phase: Ready}                                                           | Healthy
ceph.rook.io/v1 CephFilesystem        | status: {phase: Failure}                                                         | Degraded
longhorn.io/v1beta2 Volume            | status: {state: attached, robustness: healthy}                                   | Healthy
longhorn.io/v1beta2 Volume            | status: {state: attached, robustness: faulted}                                   | Degraded
longhorn.io/v1beta2 Volume            | status: {state: detached, robustness: unknown}                                   | Healthy
config.openshift.io/v1 ClusterOperator | c: {Available: True, Progressing: False, Degraded: False}                       | Healthy
config.openshift.io/v1 ClusterOperator | c: {Available: True, Progressing: True, Degraded: False}                        | Progressing
config.openshift.io/v1 ClusterOperator | c: {Available: True, Progressing: True, Degraded: True}                         | Degraded
build.openshift.io/v1 Build           | status: {phase: Complete}                                                        | Healthy
build.openshift.io/v1 Build           | status: {phase: Running}                                                         | Progressing
machineconfiguration.openshift.io/v1 MachineConfigPool | c: {Updated: False, Updating: True, Degraded: False}            | Progressing
tekton.dev/v1 PipelineRun             | c: {Succeeded: Unknown/Running}                                                  | Progressing
tekton.dev/v1 PipelineRun             | c: {Succeeded: False/Failed}                                                     | Degraded
tekton.dev/v1 TaskRun                 | c: {Succeeded: True}                                                             | Healthy
tekton.dev/v1 Task                    | spec: {steps: []}                                                                | Healthy
kibana.k8s.elastic.co/v1 Kibana       | status: {health: green, availableNodes: 1}, spec: {count: 1}                     | Healthy
kibana.k8s.elastic.co/v1 Kibana       | status: {health: red}                                                            | Degraded
postgresql.cnpg.io/v1 Cluster         | status: {phase: Cluster in healthy state}                                        | Healthy
postgresql.cnpg.io/v1 Cluster         | status: {phase: Setting up primary}                                              | Progressing
postgresql.cnpg.io/v1 Cluster         | status: {phase: Not enough disk space}                                           | Degraded
postgresql.cnpg.io/v1 Cluster         | status: {phase: Waiting for user action}                                         | Suspended
postgresql.cnpg.io/v1 Cluster         | status: {phase: Waiting for the instances to become active}                      | Progressing
minio.min.io/v2 Tenant                | status: {currentState: Restarting MinIO}                                         | Progressing
argoproj.io/v1alpha1 Rollout          | spec: {replicas: 1}, status: {phase: Paused}                                     | Suspended
argoproj.io/v1alpha1 Rollout          | spec: {replicas: 1}, status: {phase: Degraded, message: aborted}                 | Degraded
argoproj.io/v1alpha1 Rollout          | spec: {strategy: {blueGreen: {}}}, status: {updatedReplicas: 1, availableReplicas: 1, currentPodHash: b, blueGreen: {activeSelector: a}} | Progressing
external-secrets.io/v1 ClusterExternalSecret | c: {PartiallyReady: True/x/one or more namespaces failed}                  | Degraded
postgresql.cnpg.io/v1 Backup          | status: {phase: running}                                                         | Progressing
postgresql.cnpg.io/v1 Backup          | status: {phase: completed}                                                       | Healthy
pxc.percona.com/v1 PerconaXtraDBCluster | status: {state: initializing}                                                  | Progressing
pxc.percona.com/v1 PerconaXtraDBCluster | status: {state: error, message: [no]}                                          | Degraded
psmdb.percona.com/v1 PerconaServerMongoDB | status: {state: ready}                                                       | Healthy
mongodbcommunity.mongodb.com/v1 MongoDBCommunity | status: {phase: Pending}                                              | Progressing
mongodb.com/v1 MongoDB                | status: {phase: Running}                                                         | Healthy
cassandra.datastax.com/v1beta1 CassandraDatacenter | status: {cassandraOperatorProgress: Updating}                       | Progressing
cassandra.datastax.com/v1beta1 CassandraDatacenter | status: {cassandraOperatorProgress: Ready}, c: {Ready: True}        | Healthy
pingcap.com/v1alpha1 TidbCluster      | c: {Ready: False/TiDBUnhealthy/TiDB(s) are not healthy}                          | Degraded
scylla.scylladb.com/v1 ScyllaCluster  | c: {Available: True, Progressing: False, Degraded: False}                        | Healthy
s3.services.k8s.aws/v1alpha1 Bucket   | c: {ACK.ResourceSynced: True}                                                    | Healthy
s3.services.k8s.aws/v1alpha1 Bucket   | c: {ACK.ResourceSynced: False}                                                   | Progressing
s3.services.k8s.aws/v1alpha1 Bucket   | c: {ACK.Terminal: True/x/the name is taken, ACK.ResourceSynced: True}            | Degraded
rds.services.k8s.aws/v1alpha1 DBInstance | c: {ACK.Recoverable: True/x/AccessDenied for the role, ACK.ResourceSynced: False} | Degraded
rds.services.k8s.aws/v1alpha1 DBInstance | c: {ACK.Recoverable: True/x/waiting for subnet group, ACK.ResourceSynced: False} | Progressing
storage.azure.com/v1api20230101 StorageAccount | c: {Ready: True/Succeeded}                                              | Healthy
resources.azure.com/v1api20200601 ResourceGroup | status: {conditions: [{type: Ready, status: "False", severity: Info, reason: Reconciling}]} | Progressing
resources.azure.com/v1api20200601 ResourceGroup | status: {conditions: [{type: Ready, status: "False", severity: Error, reason: BadRequest}]} | Degraded
pubsub.cnrm.cloud.google.com/v1beta1 PubSubTopic | c: {Ready: True/UpToDate}                                             | Healthy
pubsub.cnrm.cloud.google.com/v1beta1 PubSubTopic | c: {Ready: False/Updating}                                            | Progressing
pubsub.cnrm.cloud.google.com/v1beta1 PubSubTopic | c: {Ready: False/UpdateFailed/denied}                                 | Degraded
karpenter.sh/v1 NodePool              | c: {Ready: True}                                                                 | Healthy
kubevirt.io/v1 VirtualMachine         | status: {printableStatus: ErrorUnschedulable}                                    | Degraded
kubevirt.io/v1 KubeVirt               | c: {Available: True, Progressing: False, Degraded: False}                        | Healthy
cdi.kubevirt.io/v1beta1 DataVolume    | status: {phase: Failed}                                                          | Degraded
metallb.io/v1beta1 IPAddressPool      | spec: {addresses: []}                                                            | Healthy
cilium.io/v2 CiliumNetworkPolicy      | c: {Valid: False/x/cannot parse}                                                 | Degraded
cilium.io/v2 CiliumNetworkPolicy      | spec: {}                                                                         | Healthy
sparkoperator.k8s.io/v1beta2 SparkApplication | status: {applicationState: {state: SUBMITTED}}                           | Progressing
sparkoperator.k8s.io/v1beta2 SparkApplication | status: {applicationState: {state: FAILED, errorMessage: driver}}        | Degraded
sparkoperator.k8s.io/v1beta2 SparkApplication | status: {applicationState: {state: COMPLETED}}                           | Healthy
ray.io/v1 RayCluster                  | status: {state: ready}                                                           | Healthy
ray.io/v1 RayJob                      | status: {jobStatus: FAILED, jobDeploymentStatus: Complete}                       | Degraded
kubeflow.org/v1 PyTorchJob            | c: {Created: True, Running: True}                                                | Progressing
kubeflow.org/v1 PyTorchJob            | c: {Created: True, Running: False, Succeeded: True}                              | Healthy
kubeflow.org/v1 TFJob                 | c: {Failed: True/TFJobFailed/oops}                                               | Degraded
batch.volcano.sh/v1alpha1 Job         | status: {state: {phase: Aborted}}                                                | Degraded
kueue.x-k8s.io/v1beta1 ClusterQueue   | c: {Active: True}                                                                | Healthy
kueue.x-k8s.io/v1beta1 ClusterQueue   | c: {Active: False/FlavorNotFound}                                                | Degraded
operators.coreos.com/v1alpha1 ClusterServiceVersion | status: {phase: Succeeded}                                         | Healthy
operators.coreos.com/v1alpha1 ClusterServiceVersion | status: {phase: Installing}                                        | Progressing
operators.coreos.com/v1alpha1 InstallPlan | status: {phase: RequiresApproval}                                            | Suspended
operators.coreos.com/v1alpha1 CatalogSource | status: {connectionState: {lastObservedState: TRANSIENT_FAILURE}}          | Degraded
k8s.keycloak.org/v2alpha1 KeycloakRealmImport | c: {Done: True, Started: False, HasErrors: False}                        | Healthy
camel.apache.org/v1 Integration       | status: {phase: Building Kit}                                                    | Progressing
camel.apache.org/v1 Integration       | status: {phase: Error}                                                           | Degraded
camel.apache.org/v1 Integration       | status: {phase: Running}, c: {Ready: True}                                       | Healthy
datadoghq.com/v2alpha1 DatadogAgent   | status: {agent: {state: Running, desired: 3, ready: 3}}                          | Healthy
jetstream.nats.io/v1beta2 Stream      | c: {Ready: True}                                                                 | Healthy
templates.gatekeeper.sh/v1 ConstraintTemplate | status: {created: true}                                                  | Healthy
templates.gatekeeper.sh/v1 ConstraintTemplate | status: {byPod: [{errors: [{message: rego}]}]}                           | Degraded
cluster.open-cluster-management.io/v1 ManagedCluster | c: {HubAcceptedManagedCluster: True, ManagedClusterConditionAvailable: True} | Healthy
sriovnetwork.openshift.io/v1 SriovNetworkNodeState | status: {syncStatus: InProgress}                                    | Progressing
autoscaling.k8s.io/v1 VerticalPodAutoscaler | c: {RecommendationProvided: True}                                          | Healthy
snapshot.storage.k8s.io/v1 VolumeSnapshotClass | driver: x                                                               | Healthy
resource.k8s.io/v1 ResourceClaim      | status: {}                                                                       | Healthy
operator.tigera.io/v1 TigeraStatus    | c: {Available: True, Degraded: False, Progressing: False}                        | Healthy
kappctrl.k14s.io/v1alpha1 App         | c: {ReconcileFailed: True/x/no such chart}                                       | Degraded
jobset.x-k8s.io/v1alpha2 JobSet       | c: {Completed: True}                                                             | Healthy
apps.kruise.io/v1alpha1 CloneSet      | spec: {replicas: 2}, status: {replicas: 2, readyReplicas: 2, updatedReplicas: 2, updatedReadyReplicas: 2, availableReplicas: 2} | Healthy
apps.kruise.io/v1alpha1 CloneSet      | spec: {replicas: 2, updateStrategy: {paused: true}}, status: {replicas: 2}       | Suspended
temporal.io/v1beta1 TemporalCluster   | c: {Ready: True}                                                                 | Healthy
`;

type Parts = Record<string, unknown> & { c?: Record<string, unknown> };

function objectOf(head: string, body: string): KubernetesObject {
  const [apiVersion = '', kind = ''] = head.trim().split(/\s+/);
  const { c, ...parts } = parse(`{${body}}`) as Parts;
  const status = parts.status as Record<string, unknown> | undefined;
  const conditions = Object.entries(c ?? {}).map(([type, text]) => {
    const [state = '', reason = '', ...message] = String(text).split('/');
    return {
      type,
      status: state === 'true' ? 'True' : state === 'false' ? 'False' : state,
      reason,
      message: message.join('/'),
    };
  });
  return {
    apiVersion,
    kind,
    metadata: { name: 'x', namespace: 'default', generation: 1 },
    ...parts,
    ...(c ? { status: { ...status, conditions } } : {}),
  };
}

describe('custom kinds are judged as their projects document them', () => {
  for (const line of table.trim().split('\n')) {
    const [head = '', body = '', expected = ''] = line.split(/ \| /).map((part) => part.trim());
    test(`${head.replaceAll(/\s+/g, ' ')}, ${body}: ${expected}`, () => {
      const { health, message } = healthOf(objectOf(head, body), { rules });
      expect(`${health}${health === expected ? '' : ` (${message})`}`).toBe(expected);
      if (health !== 'Healthy') expect(message).not.toBe('');
    });
  }
});

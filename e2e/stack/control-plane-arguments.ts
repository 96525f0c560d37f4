// The command lines of a control plane's parts: light, quick to start, and without the brakes that
// protect a shared cluster from one client.

import { join } from 'node:path';
import type { ControlPlaneFiles } from './control-plane-files.ts';

export type Ports = {
  readonly api: number;
  readonly etcdClient: number;
  readonly etcdPeer: number;
};

export function etcdArguments(directory: string, ports: Ports): string[] {
  const client = `http://127.0.0.1:${ports.etcdClient}`;
  const peer = `http://127.0.0.1:${ports.etcdPeer}`;
  return [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // Tests kill processes, not machines; what a process wrote survives its death without fsync.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

export function apiServerArguments(
  files: ControlPlaneFiles,
  ports: Ports,
  enableAuditLog: boolean,
): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${ports.etcdClient}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${ports.api}`,
    `--cert-dir=${files.certificateDirectory}`,
    `--token-auth-file=${files.tokenFile}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${files.serviceAccountPrivateKey}`,
    `--service-account-key-file=${files.serviceAccountPublicKey}`,
    '--service-cluster-ip-range=172.16.0.0/12',
    // Nothing in the cluster could reach the kubernetes Service, and a loopback address is refused there.
    '--endpoint-reconciler-type=none',
    // The node's name resolves to nothing.
    '--kubelet-preferred-address-types=InternalIP',
    '--profiling=false',
    ...(enableAuditLog
      ? [`--audit-policy-file=${files.auditPolicy}`, `--audit-log-path=${files.auditLog}`]
      : []),
  ];
}

export function controllerManagerArguments(files: ControlPlaneFiles, kubeconfig: string): string[] {
  const syncs = ['deployment', 'replicaset', 'endpoint', 'service-endpoint', 'namespace', 'gc'];
  return [
    `--kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${files.serviceAccountPrivateKey}`,
    `--root-ca-file=${files.caFile}`,
    '--secure-port=0',
    '--leader-elect=false',
    '--profiling=false',
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
    ...syncs.map((controller) => `--concurrent-${controller}-syncs=20`),
    // A busy machine, or a test that stops the API server, must not make the node unreachable.
    '--node-monitor-grace-period=1h',
  ];
}

export function schedulerArguments(kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    '--secure-port=0',
    '--leader-elect=false',
    '--profiling=false',
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
  ];
}

/** Where kwok answers the API server as the nodes' kubelet, for pods' logs. */
export type KubeletServer = { readonly port: number; readonly logsConfig: string };

export function kwokArguments(
  files: ControlPlaneFiles,
  kubeconfig: string,
  kubelet?: KubeletServer,
): string[] {
  const server = kubelet && [
    `--config=${kubelet.logsConfig}`,
    '--node-ip=127.0.0.1',
    `--node-port=${kubelet.port}`,
    `--server-address=127.0.0.1:${kubelet.port}`,
    // The API server does not check who a kubelet is unless it is told to.
    `--tls-cert-file=${files.servingChain}`,
    `--tls-private-key-file=${join(files.certificateDirectory, 'apiserver.key')}`,
  ];
  return [
    `--kubeconfig=${kubeconfig}`,
    `--config=${files.stages}`,
    ...(server ?? []),
    '--manage-all-nodes=true',
    '--node-lease-duration-seconds=40',
    '--v=WARN',
  ];
}

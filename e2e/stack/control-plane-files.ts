// What a control plane reads at its start: tokens, keys, kubeconfigs, the audit policy and kwok's stages.

import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';

/**
 * The identities that the static token file knows. The controller manager is an administrator, because
 * its own role only suffices with a service account for each controller, which makes starting slower.
 */
const identities = {
  admin: { user: 'admin', groups: ['system:masters'] },
  kwok: { user: 'kwok', groups: ['system:masters'] },
  'controller-manager': {
    user: 'system:kube-controller-manager',
    groups: ['system:masters'],
  },
  scheduler: { user: 'system:kube-scheduler', groups: [] },
} as const;

export type Identity = keyof typeof identities;

export type ControlPlaneFiles = {
  readonly tokens: Readonly<Record<Identity, string>>;
  readonly tokenFile: string;
  readonly serviceAccountPrivateKey: string;
  readonly serviceAccountPublicKey: string;
  readonly certificateDirectory: string;
  /** Written by the API server at its first start: its certificate, then the CA that signed it. */
  readonly servingChain: string;
  /** The CA alone; see `writeCaFile`. */
  readonly caFile: string;
  readonly stages: string;
  readonly auditPolicy: string;
  readonly auditLog: string;
};

/** Writes all files that do not depend on the API server's certificate. */
export async function writeControlPlaneFiles(
  directory: string,
  fastStages: string,
): Promise<ControlPlaneFiles> {
  const certificateDirectory = join(directory, 'certificates');
  await mkdir(certificateDirectory, { recursive: true });
  const names = Object.keys(identities) as Identity[];
  const tokens = Object.fromEntries(
    names.map((name) => [name, randomBytes(24).toString('hex')]),
  ) as Record<Identity, string>;
  const files: ControlPlaneFiles = {
    tokens,
    tokenFile: join(directory, 'tokens.csv'),
    serviceAccountPrivateKey: join(directory, 'service-account.key'),
    serviceAccountPublicKey: join(directory, 'service-account.pub'),
    certificateDirectory,
    servingChain: join(certificateDirectory, 'apiserver.crt'),
    caFile: join(directory, 'ca.crt'),
    stages: join(directory, 'stages.yaml'),
    auditPolicy: join(directory, 'audit-policy.yaml'),
    auditLog: join(directory, 'audit.log'),
  };
  const keys = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const tokenLines = names.map((name) => {
    const { user, groups } = identities[name];
    return `${tokens[name]},${user},${user},"${groups.join(',')}"\n`;
  });
  const secret = { mode: 0o600 };
  await Promise.all([
    writeFile(files.tokenFile, tokenLines.join(''), secret),
    writeFile(files.serviceAccountPrivateKey, keys.privateKey, secret),
    writeFile(files.serviceAccountPublicKey, keys.publicKey),
    writeFile(files.stages, testStages(await readFile(fastStages, 'utf8'))),
    writeFile(files.auditPolicy, stringify(auditPolicy)),
  ]);
  return files;
}

/** Takes the CA out of the chain that the API server made for itself; resolves with its PEM. */
export async function writeCaFile(files: ControlPlaneFiles): Promise<string> {
  const chain = await readFile(files.servingChain, 'utf8');
  const blocks = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
  const ca = blocks.find((block) => new X509Certificate(block).ca);
  if (ca === undefined) throw new Error(`${files.servingChain} holds no CA certificate.`);
  await writeFile(files.caFile, ca);
  return ca;
}

/** Lets kwok serve these lines as the log of every container; resolves with the path of its configuration. */
export async function writePodLogs(directory: string, lines: readonly string[]): Promise<string> {
  const [log, config] = [join(directory, 'pod.log'), join(directory, 'pod-logs.yaml')];
  // In the form in which container runtimes write them.
  const text = lines.map((line, index) => {
    const at = new Date(Date.UTC(2026, 0, 1, 0, 0, 0, index % 1_000)).toISOString();
    return `${at.replace('Z', '000000Z')} stdout F ${line}\n`;
  });
  await writeFile(log, text.join(''));
  await writeFile(
    config,
    stringify({
      apiVersion: 'kwok.x-k8s.io/v1alpha1',
      kind: 'ClusterLogs',
      metadata: { name: 'logs' },
      spec: { logs: [{ logsFile: log }] },
    }),
  );
  return config;
}

const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
};

export type KubeconfigUser = {
  readonly server: string;
  /** PEM, base64. */
  readonly caData: string;
  readonly token: string;
  readonly namespace?: string;
};

export async function writeKubeconfig(path: string, user: KubeconfigUser): Promise<void> {
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'stack',
    clusters: [
      {
        name: 'stack',
        cluster: { server: user.server, 'certificate-authority-data': user.caData },
      },
    ],
    users: [{ name: 'stack', user: { token: user.token } }],
    contexts: [
      { name: 'stack', context: { cluster: 'stack', user: 'stack', namespace: user.namespace } },
    ],
  };
  await writeFile(path, stringify(kubeconfig), { mode: 0o600 });
}

type Stage = {
  metadata: { name: string };
  spec: { selector: { matchExpressions: unknown[] } };
};

const brokenImages = '.spec.containers[].image | select(endswith(":broken"))';
const failingImages = '.spec.containers[].image | select(endswith(":failing"))';

/**
 * kwok's fast stages, taught two ways in which a release goes wrong, both chosen by the image's tag so
 * that a bad commit in Git is nothing but a tag:
 *
 * - `…:broken`: the image cannot be pulled. The Pod stays Pending, the container waits with the reason
 *   ImagePullBackOff, and the Deployment never becomes available.
 * - `…:failing`: in a Pod of a Job, the container exits with code 1 and the Pod fails.
 */
export function testStages(fastStages: string): string {
  const stages = parseAllDocuments(fastStages).map((document) => document.toJS() as Stage);
  const exclude = (name: string, key: string) => {
    const stage = stages.find((candidate) => candidate.metadata.name === name);
    if (stage === undefined) throw new Error(`kwok's fast stages no longer hold ${name}.`);
    stage.spec.selector.matchExpressions.push({ key, operator: 'DoesNotExist' });
  };
  exclude('pod-ready', brokenImages);
  exclude('pod-complete', failingImages);
  const all = [...stages, podImagePullBackOff, jobPodFailed];
  return all.map((stage) => stringify(stage, { lineWidth: 0 })).join('---\n');
}

const pods = { apiGroup: 'v1', kind: 'Pod' };
const notDeleted = { key: '.metadata.deletionTimestamp', operator: 'DoesNotExist' };

const podImagePullBackOff = {
  apiVersion: 'kwok.x-k8s.io/v1alpha1',
  kind: 'Stage',
  metadata: { name: 'pod-image-pull-back-off' },
  spec: {
    resourceRef: pods,
    selector: {
      matchExpressions: [
        notDeleted,
        { key: '.status.phase', operator: 'In', values: ['Pending'] },
        { key: '.status.containerStatuses[].state.waiting.reason', operator: 'DoesNotExist' },
        { key: brokenImages, operator: 'Exists' },
      ],
    },
    next: {
      statusTemplate: `
{{ $now := Now }}
conditions:
- lastTransitionTime: {{ $now | Quote }}
  status: "True"
  type: Initialized
- lastTransitionTime: {{ $now | Quote }}
  status: "False"
  type: Ready
  reason: ContainersNotReady
  message: containers with unready status
- lastTransitionTime: {{ $now | Quote }}
  status: "False"
  type: ContainersReady
  reason: ContainersNotReady
  message: containers with unready status
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  imageID: ""
  name: {{ .name | Quote }}
  ready: false
  started: false
  restartCount: 0
  state:
    waiting:
      reason: ImagePullBackOff
      message: {{ printf "Back-off pulling image %q" .image | Quote }}
{{ end }}
phase: Pending
startTime: {{ $now | Quote }}
`,
    },
  },
};

const jobPodFailed = {
  apiVersion: 'kwok.x-k8s.io/v1alpha1',
  kind: 'Stage',
  metadata: { name: 'job-pod-failed' },
  spec: {
    resourceRef: pods,
    selector: {
      matchExpressions: [
        notDeleted,
        { key: '.status.phase', operator: 'In', values: ['Running'] },
        { key: '.metadata.ownerReferences.[].kind', operator: 'In', values: ['Job'] },
        { key: failingImages, operator: 'Exists' },
      ],
    },
    next: {
      statusTemplate: `
{{ $now := Now }}
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: 1
      finishedAt: {{ $now | Quote }}
      reason: Error
      startedAt: {{ $now | Quote }}
{{ end }}
phase: Failed
`,
    },
  },
};

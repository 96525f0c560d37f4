import { isIP } from 'node:net';
import { parseConfig, type Secret, secret } from '@fairlead/shared/config';
import { parseName } from '@fairlead/shared/ids';
import type { LogLevel } from '@fairlead/shared/log';
import { z } from 'zod';
import { watchNamespacesMax } from '../limits.ts';

const text = (meaning: string) => z.string({ error: `is not set: ${meaning}` }).min(1, 'is empty');

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be from ${min} to ${max}`);

const namespacePattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const addressPattern = /^(?:[a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/;

/** Every variable of the agent. The install manifest sets those of its join Secret. */
const schema = z.object({
  FAIRLEAD_CLUSTER_NAME: text("the cluster's name at the hub").refine(
    (name) => parseName(name).ok,
    'must be 1 to 63 of a-z, 0-9 and "-", with a letter or digit at both ends',
  ),
  FAIRLEAD_ENROL_ADDRESS: text("the hub's enrolment service, host:port").regex(
    addressPattern,
    'must be host:port',
  ),
  FAIRLEAD_CA_KEY_HASH: text("the hash of the hub's key, from the install manifest").regex(
    /^sha256:[0-9a-f]{64}$/,
    'must be sha256: and 64 hex digits, as in the install manifest',
  ),
  /** Used once; an agent that has joined needs none. */
  FAIRLEAD_JOIN_TOKEN: z.string().optional(),
  FAIRLEAD_NAMESPACE: z.string().min(1).default('fairlead-system'),
  FAIRLEAD_DATA_DIR: z
    .string()
    .default('/var/lib/fairlead')
    .refine((path) => path.startsWith('/'), 'must be an absolute path'),
  /** Empty uses the pod's service account. */
  KUBECONFIG: z.string().optional(),
  /** Kubernetes sets them in each pod: where its API server is. */
  KUBERNETES_SERVICE_HOST: z.string().optional(),
  KUBERNETES_SERVICE_PORT: wholeNumber(1, 65_535).default(443),
  /** Runs the pinned kustomize and helm. */
  FAIRLEAD_RENDER_HOST: z.string().min(1).default('/usr/local/bin/fairlead-render-host'),
  /** Another version of kustomize or helm, started for each rendering. */
  FAIRLEAD_KUSTOMIZE: z.string().min(1).optional(),
  FAIRLEAD_HELM: z.string().min(1).optional(),
  FAIRLEAD_SOPS: z.string().min(1).default('/usr/local/bin/sops'),
  /** Empty is the whole cluster. */
  FAIRLEAD_WATCH_NAMESPACES: z
    .string()
    .default('')
    .transform((text) => text.split(',').map((name) => name.trim()))
    .transform((names) => [...new Set(names.filter((name) => name !== ''))])
    .refine(
      (names) => names.every((name) => namespacePattern.test(name)),
      'must be names of namespaces with "," between them',
    )
    .refine(
      (names) => names.length <= watchNamespacesMax,
      `must be at most ${watchNamespacesMax}; install the agent for the whole cluster instead`,
    ),
  /** Without its policy the agent then permits nothing, so that whoever deletes the policy opens nothing. */
  FAIRLEAD_POLICY_REQUIRED: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .default('false')
    .transform((text) => text === 'true'),
  FAIRLEAD_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'], {
      error: 'must be debug, info, warn, error or silent',
    })
    .default('info'),
  /** Loopback; a pod that the kubelet probes over the network sets 0.0.0.0. */
  FAIRLEAD_HEALTH_HOST: z
    .string()
    .default('127.0.0.1')
    .refine((host) => isIP(host) !== 0, 'must be an IP address'),
  /** 0 opens no port. */
  FAIRLEAD_HEALTH_PORT: wholeNumber(0, 65_535).default(9084),
  /** Lets the agent follow a hub whose log was restored or replaced. */
  FAIRLEAD_ACCEPTED_EPOCH: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0),
});

export type AgentConfig = {
  readonly clusterName: string;
  readonly enrolAddress: string;
  readonly caKeyHash: string;
  readonly joinToken: Secret | undefined;
  /** Where the agent keeps its own objects. */
  readonly namespace: string;
  readonly dataDirectory: string;
  readonly kubeconfig: string | undefined;
  /** Where a pod finds its API server; undefined outside a pod. */
  readonly inCluster: { readonly host: string; readonly port: number } | undefined;
  readonly renderHost: string;
  readonly kustomize: string | undefined;
  readonly helm: string | undefined;
  readonly sops: string;
  /** Where the agent may work; undefined is the whole cluster. */
  readonly watchNamespaces: readonly string[] | undefined;
  readonly policyRequired: boolean;
  readonly logLevel: LogLevel;
  readonly healthHost: string;
  readonly healthPort: number;
  /** The hub epoch that an operator told this agent to accept; 0 when none. */
  readonly acceptedEpoch: number;
};

/**
 * Reads the agent's configuration; throws a `ConfigError` with every fault at once. A variable `X_FILE` names a file that
 * holds the value of `X`; `readFile` reads it.
 */
export function readAgentConfig(
  environment: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): AgentConfig {
  const raw: Record<string, string | undefined> = {};
  for (const name of Object.keys(schema.shape)) {
    const file = environment[`${name}_FILE`];
    const value = environment[name] ?? (file === undefined ? undefined : readFile(file).trim());
    // An empty variable is how a manifest leaves one out.
    raw[name] = value === '' ? undefined : value;
  }
  const parsed = parseConfig(schema, raw);
  return Object.freeze({
    clusterName: parsed.FAIRLEAD_CLUSTER_NAME,
    enrolAddress: parsed.FAIRLEAD_ENROL_ADDRESS,
    caKeyHash: parsed.FAIRLEAD_CA_KEY_HASH,
    joinToken:
      parsed.FAIRLEAD_JOIN_TOKEN === undefined ? undefined : secret(parsed.FAIRLEAD_JOIN_TOKEN),
    namespace: parsed.FAIRLEAD_NAMESPACE,
    dataDirectory: parsed.FAIRLEAD_DATA_DIR,
    kubeconfig: parsed.KUBECONFIG,
    inCluster:
      parsed.KUBERNETES_SERVICE_HOST === undefined
        ? undefined
        : { host: parsed.KUBERNETES_SERVICE_HOST, port: parsed.KUBERNETES_SERVICE_PORT },
    renderHost: parsed.FAIRLEAD_RENDER_HOST,
    kustomize: parsed.FAIRLEAD_KUSTOMIZE,
    helm: parsed.FAIRLEAD_HELM,
    sops: parsed.FAIRLEAD_SOPS,
    watchNamespaces:
      parsed.FAIRLEAD_WATCH_NAMESPACES.length === 0 ? undefined : parsed.FAIRLEAD_WATCH_NAMESPACES,
    policyRequired: parsed.FAIRLEAD_POLICY_REQUIRED,
    logLevel: parsed.FAIRLEAD_LOG_LEVEL,
    healthHost: parsed.FAIRLEAD_HEALTH_HOST,
    healthPort: parsed.FAIRLEAD_HEALTH_PORT,
    acceptedEpoch: parsed.FAIRLEAD_ACCEPTED_EPOCH,
  });
}

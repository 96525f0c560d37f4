import { join } from 'node:path';
import { parseConfig } from '@fairlead/shared/config';
import { parseDuration } from '@fairlead/shared/time';
import { z } from 'zod';

/** Where a listener binds. Port 0 lets the system choose, which suits tests only: agents need a fixed one. */
export type Address = { readonly host: string; readonly port: number };

const address = (fallback: string, describe: string) =>
  z
    .string()
    .default(fallback)
    .transform((text, context): Address => {
      const match = /^(.+):(\d{1,5})$/.exec(text);
      const port = Number(match?.[2]);
      if (!match?.[1] || port > 65_535) {
        context.addIssue({ code: 'custom', message: 'must be host:port, like 0.0.0.0:9080' });
        return z.NEVER;
      }
      return { host: match[1].replace(/^\[|\]$/g, ''), port };
    })
    .describe(describe);

const list = (fallback: string, describe: string) =>
  z
    .string()
    .default(fallback)
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .describe(describe);

const duration = (fallback: string, minMs: number, describe: string) =>
  z
    .string()
    .default(fallback)
    .transform((text, context): number => {
      const parsed = parseDuration(text);
      if (parsed.ok && parsed.value >= minMs) return parsed.value;
      const message = parsed.ok ? `must be at least ${minMs / 1_000}s` : parsed.error;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .describe(describe);

const schema = z.object({
  FAIRLEAD_DATA_DIR: z
    .string()
    .min(1)
    .default('.fairlead/hub')
    .describe('Folder of the decision log, keys, mirrors and the read model. Back this up.'),
  FAIRLEAD_HTTP_ADDRESS: address('127.0.0.1:9080', 'HTTP API, webhooks, health and metrics.'),
  FAIRLEAD_ENROL_ADDRESS: address('127.0.0.1:9081', 'Enrolment of agents (gRPC over TLS).'),
  FAIRLEAD_LINK_ADDRESS: address('127.0.0.1:9082', 'Agents’ link (gRPC over mutual TLS).'),
  FAIRLEAD_NATS_ADDRESS: address('127.0.0.1:9083', 'The hub’s own nats-server (TLS).'),
  FAIRLEAD_NATS_SERVER: z
    .string()
    .default('nats-server')
    .describe('The nats-server program that the hub starts as its child.'),
  FAIRLEAD_NATS_URLS: list(
    '',
    'Addresses of NATS servers that run by themselves, set up as deploy/nats says; then the hub starts none.',
  ),
  FAIRLEAD_PUBLIC_HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Name or address under which agents reach the hub; part of its certificates.'),
  FAIRLEAD_PUBLIC_HTTP_URL: z
    .url()
    .optional()
    .describe('Address of the HTTP API for people, where it differs from the listener.'),
  FAIRLEAD_EXTRA_HOSTS: list('localhost', 'Further names in the hub’s certificates.'),
  FAIRLEAD_SECRETS_DIR: z
    .string()
    .optional()
    .describe('Folder with a folder per secret and a file per key, as Kubernetes mounts them.'),
  FAIRLEAD_AGENT_IMAGE: z
    .string()
    .default('ghcr.io/fairlead/agent:0.1.0')
    .describe('Image that the install manifest names.'),
  FAIRLEAD_ALLOW_FILE_REPOSITORIES: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .describe('Whether repositories may be file:// addresses of this machine.'),
  FAIRLEAD_CONFIG_REPOSITORY_URL: z
    .string()
    .optional()
    .describe(
      'Repository that the hub’s own repositories and pipelines are kept in; see gates.md.',
    ),
  FAIRLEAD_CONFIG_REPOSITORY_BRANCH: z
    .string()
    .default('main')
    .describe('Its branch, which only trusted people may push to.'),
  FAIRLEAD_CONFIG_REPOSITORY_PATH: z
    .string()
    .default('.')
    .describe('Folder of which every *.yaml and *.yml is read.'),
  FAIRLEAD_CONFIG_REPOSITORY_CREDENTIALS: z
    .string()
    .optional()
    .describe('Secret to fetch it with, as a Repository’s `credentials.secretRef`.'),
  FAIRLEAD_CONFIG_REPOSITORY_WEBHOOK: z
    .string()
    .optional()
    .describe('Secret of its webhook, `/api/v1/webhooks/configuration-repository`.'),
  FAIRLEAD_CONFIG_REPOSITORY_POLL_INTERVAL: duration(
    '60s',
    5_000,
    'How often it is looked at without a webhook.',
  ),
  FAIRLEAD_METRIC_HOSTS: list(
    '',
    'Hosts that the hub may ask for metrics, `host` or `host:port` each; none when empty.',
  ),
  FAIRLEAD_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least severity of what is logged.'),
});

/** `hub.config.repository`: where the hub's own resources are kept, apart from what they promote. */
export type ConfigurationRepository = {
  readonly url: string;
  readonly branch: string;
  readonly path: string;
  readonly credentialsSecretName?: string;
  readonly webhookSecretName?: string;
  readonly pollIntervalMs: number;
};

export type HubConfig = ReturnType<typeof readHubConfig>;

/** Throws a `ConfigError` that names every faulty variable. */
export function readHubConfig(environment: Record<string, string | undefined>) {
  const raw = parseConfig(schema, environment);
  const dataDirectory = raw.FAIRLEAD_DATA_DIR;
  return Object.freeze({
    dataDirectory,
    logPath: join(dataDirectory, 'decision-log.sqlite'),
    readModelPath: join(dataDirectory, 'read-model.sqlite'),
    watchedTimePath: join(dataDirectory, 'watched-time'),
    mirrorsDirectory: join(dataDirectory, 'mirrors'),
    keysDirectory: join(dataDirectory, 'keys'),
    natsDirectory: join(dataDirectory, 'nats'),
    secretsDirectory: raw.FAIRLEAD_SECRETS_DIR ?? join(dataDirectory, 'secrets'),
    http: raw.FAIRLEAD_HTTP_ADDRESS,
    enrol: raw.FAIRLEAD_ENROL_ADDRESS,
    link: raw.FAIRLEAD_LINK_ADDRESS,
    nats: raw.FAIRLEAD_NATS_ADDRESS,
    natsServer: raw.FAIRLEAD_NATS_SERVER,
    natsUrls: raw.FAIRLEAD_NATS_URLS,
    publicHost: raw.FAIRLEAD_PUBLIC_HOST,
    publicHttpUrl: raw.FAIRLEAD_PUBLIC_HTTP_URL,
    extraHosts: raw.FAIRLEAD_EXTRA_HOSTS,
    configurationRepository: configurationRepositoryOf(raw),
    configurationMirror: join(dataDirectory, 'configuration.git'),
    agentImage: raw.FAIRLEAD_AGENT_IMAGE,
    allowFileRepositories: raw.FAIRLEAD_ALLOW_FILE_REPOSITORIES,
    metricHosts: raw.FAIRLEAD_METRIC_HOSTS,
    logLevel: raw.FAIRLEAD_LOG_LEVEL,
    /** What the git program may see of it is the git module's to say. */
    gitEnvironment: environment,
  });
}

function configurationRepositoryOf(
  raw: z.output<typeof schema>,
): ConfigurationRepository | undefined {
  const url = raw.FAIRLEAD_CONFIG_REPOSITORY_URL;
  if (url === undefined || url === '') return undefined;
  const credentials = raw.FAIRLEAD_CONFIG_REPOSITORY_CREDENTIALS;
  const webhook = raw.FAIRLEAD_CONFIG_REPOSITORY_WEBHOOK;
  return {
    url,
    branch: raw.FAIRLEAD_CONFIG_REPOSITORY_BRANCH,
    path: raw.FAIRLEAD_CONFIG_REPOSITORY_PATH,
    ...(credentials ? { credentialsSecretName: credentials } : {}),
    ...(webhook ? { webhookSecretName: webhook } : {}),
    pollIntervalMs: raw.FAIRLEAD_CONFIG_REPOSITORY_POLL_INTERVAL,
  };
}

/** The reference of all variables, as Markdown. */
export function configReference(): string {
  const rows = Object.entries(schema.shape).map(([name, field]) => {
    const { def } = field as { def: { defaultValue?: unknown; in?: { def?: object } } };
    // A transformed variable keeps its default in what goes into the transform.
    const source: { defaultValue?: unknown } = def.in?.def ?? def;
    const fallback = source.defaultValue;
    const shown = fallback === undefined || fallback === '' ? '—' : `\`${fallback}\``;
    return `| \`${name}\` | ${shown} | ${field.description ?? ''} |`;
  });
  return [
    '# Configuration of the hub',
    '',
    'Environment variables, read once at the start; every fault is told at once.',
    '',
    '| Variable | Default | Meaning |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

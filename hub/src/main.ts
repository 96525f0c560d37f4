import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '@fairlead/shared/config';
import type { ClusterId } from '@fairlead/shared/ids';
import { createLogger, type Logger } from '@fairlead/shared/log';
import { err } from '@fairlead/shared/result';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { createAgentLink, offeredAssignments, renderInstallManifest } from './agent-link/index.ts';
import { openCertificateAuthority } from './auth/ca/index.ts';
import { openNatsAccounts } from './auth/nats-accounts/index.ts';
import { createAdminTokenOnce, createAuthenticator } from './auth/tokens/index.ts';
import { createCommandHandler } from './commands/index.ts';
import { createSecretReader, type HubConfig, readHubConfig } from './config/index.ts';
import { type DecisionLog, openSqliteDecisionLog } from './decision-log/index.ts';
import { streams } from './domain/events.ts';
import { inForce } from './domain/freeze/index.ts';
import type { RepositoryDefinition } from './domain/pipeline/definition.ts';
import {
  createPathTrees,
  type GitCredentials,
  openGit,
  readGitCredentials,
  receiveWebhook,
  treeObjects,
} from './git/index.ts';
import { createHttpApi, startHttpServer } from './http/index.ts';
import { createIngest, createPresence, startEmbeddedNats } from './ingest/index.ts';
import { readModelLagMsMax, reportsCatchUpMsMax } from './limits.ts';
import { createMetricSource } from './metric-source/index.ts';
import {
  type ConfigurationReactor,
  type ConfigurationReactorOptions,
  configurationRepositoryName,
  createConfigurationReactor,
  createFleetReactor,
  createFreezeReactor,
  createMetricReactor,
  createPromotionReactor,
  createRepositoryReactor,
  createSnapshotReader,
  createStageRefReactor,
  mirrorDirectory,
  openWatchedClock,
} from './reactors/index.ts';
import { openReadModel } from './read-model/index.ts';
import { createDefinitions } from './resources/index.ts';
import { createTelemetry } from './telemetry/index.ts';

const hubActor = { kind: 'hub', name: 'main' } as const;

/** Runs the hub until the signal is aborted, then closes every part in the reverse order of its start. */
async function runHub(config: HubConfig, logger: Logger, signal: AbortSignal): Promise<void> {
  const clock = systemClock;
  const random = systemRandom;
  const hosts = [config.publicHost, ...config.extraHosts];
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  await using parts = new AsyncDisposableStack();

  // Truth, and what queries read of it.
  const log = await openSqliteDecisionLog({ path: config.logPath, logger });
  parts.defer(log.close);
  const commands = createCommandHandler({ log, clock, logger });
  if ((await commands.hubState()).identity === undefined) {
    await commands.hub({ type: 'initialise', hubId: random.nextId(), epoch: 1 }, hubActor);
  }
  const readModel = parts.use(
    await openReadModel({ path: config.readModelPath, log, logger, clock }),
  );
  const telemetry = createTelemetry({
    logPosition: log.headPosition,
    readModelPosition: readModel.position,
    clustersByStatus: readModel.clusterTotals,
  });

  // Identities.
  const authority = await openCertificateAuthority({
    directory: config.keysDirectory,
    at: clock.now(),
  });
  const accounts = await openNatsAccounts({ directory: config.keysDirectory });
  const adminToken = await createAdminTokenOnce({
    tokensTotal: async () => readModel.allTokens().filter((token) => !token.revokedAt).length,
    issueToken: (token) => commands.hub({ type: 'issue-token', ...token }, hubActor),
    nextId: random.nextId,
  });
  // At once, so that a hub that cannot start further has still shown it.
  if (adminToken) process.stdout.write(`Administrator's token, shown this once: ${adminToken}\n`);

  // Repositories.
  const git = await openGit({
    logger,
    environment: config.gitEnvironment,
    allowFile: config.allowFileRepositories,
  });
  parts.defer(git.close);
  const pathTrees = createPathTrees();
  const readSecret = createSecretReader(config.secretsDirectory);
  const gitCredentialsOf = async ({ credentialsSecretName: name }: RepositoryDefinition) =>
    name === undefined ? undefined : readGitCredentials(name, (key) => readSecret(name, key));
  const repositories = createRepositoryReactor({
    git,
    commands,
    repositories: () =>
      readModel.allRepositories().map(({ definition, failureMessage }) => ({
        ...definition,
        failing: failureMessage !== null,
      })),
    pipelinesOf: (name) =>
      readModel.pipelinesOfRepository(name).map((pipeline) => pipeline.definition),
    credentialsOf: gitCredentialsOf,
    mirrorsDirectory: config.mirrorsDirectory,
    clock,
    random,
    signal,
    logger,
    releasesDiscoveredBefore: readModel.releasesDiscoveredBefore,
    onPolled: (failed) => {
      telemetry.count('fairlead_repository_polls_total');
      if (failed) telemetry.count('fairlead_repository_polls_failed_total');
    },
  });

  const definitions = createDefinitions({
    readModel,
    log,
    commands,
    configurationUrl: config.configurationRepository?.url,
  });
  const configuration = startConfiguration({
    config,
    git,
    credentials: (name) => readGitCredentials(name, (key) => readSecret(name, key)),
    commands,
    definitions,
    clock,
    random,
    signal,
    logger,
  });

  // Agents: what they are told, and what they say.
  const ownNats = async () => {
    const nats = await startEmbeddedNats({
      binary: config.natsServer,
      directory: config.natsDirectory,
      host: config.nats.host,
      port: config.nats.port,
      hosts,
      authority,
      accounts,
      clock,
      logger,
    });
    parts.use(nats);
    return {
      forHub: [`tls://${loopbackOf(nats.host)}:${nats.port}`],
      forAgents: [`tls://${config.publicHost}:${nats.port}`],
    };
  };
  const natsUrls =
    config.natsUrls.length > 0
      ? { forHub: config.natsUrls, forAgents: config.natsUrls }
      : await ownNats();
  const presence = createPresence();
  // Agents may be heard before the loops that decide have begun; those look at everything when they do.
  let onAgentNews = () => {};
  let wakeFleet = () => {};
  const ingest = parts.use(
    await createIngest({
      urls: natsUrls.forHub,
      caPem: authority.caPem,
      accounts,
      appendAgentAudit: commands.appendAgentAudit,
      recordReports: readModel.recordReports,
      reportStreamSequence: readModel.reportStreamSequence,
      clusters: () => readModel.allClusters().map(({ id }) => id),
      onAuditAppended: (cluster, agentEpoch, sequence) =>
        agentLink.auditAppended(cluster, agentEpoch, sequence),
      onBeat: (cluster, beat) => {
        presence.seen(cluster, {
          ...beat,
          lastSeenAt: clock.now(),
          clockSkewMs: beat.sentAt - clock.now(),
        });
        agentLink.instanceHeard(cluster, beat.instanceId);
        wakeFleet();
      },
      count: telemetry.count,
      clock,
      logger,
    }),
  );
  const agentLink = parts.use(
    await createAgentLink({
      enrol: config.enrol,
      link: config.link,
      publicHost: config.publicHost,
      hosts,
      natsUrls: natsUrls.forAgents,
      authority,
      accounts,
      commands,
      epoch: async () => (await commands.hubState()).identity?.epoch ?? 0,
      newestGeneration: async (pipeline) => {
        const state = await commands.pipelineState(pipeline);
        return state.status === 'undefined' ? 0 : state.generation;
      },
      clustersTotal: () => readModel.clusterSnapshots().length,
      assignmentsOf: async (cluster) => {
        const { state } = await commands.freezesState();
        const at = clock.now();
        return offeredAssignments(readModel.datedAssignmentsOf(cluster), inForce(state, at), at);
      },
      assignment: readModel.assignment,
      ordersOf: (cluster) => readModel.verificationOrdersOf(cluster, clock.now()),
      treeObjects: ({ repository, ...wanted }) =>
        treeObjects({
          git,
          directory: mirrorDirectory(config.mirrorsDirectory, repository),
          pathTrees,
          ...wanted,
        }),
      cutBus: async (_, clusterName) => ingest.revokeUsers(await natsKeysOf(log, clusterName)),
      onSeen: (cluster, seen) => {
        // What an agent can do may be all that a gate waits for.
        if (presence.of(cluster)?.features?.join() !== seen.features.join()) onAgentNews();
        presence.seen(cluster, seen);
        wakeFleet();
      },
      count: telemetry.count,
      clock,
      logger,
    }),
  );

  // The loops that decide, on reports that are as new as what the bus holds: a read model that is made anew has none yet.
  await Promise.race([ingest.caughtUp, sleep(reportsCatchUpMsMax, undefined, { signal })]);
  const watchedClock = parts.use(
    await openWatchedClock({
      path: config.watchedTimePath,
      clock,
      monotonicMs: () => performance.now(),
      logger,
    }),
  );
  const snapshotOf = createSnapshotReader({
    clusterSnapshots: () =>
      readModel.clusterSnapshots().map((cluster) => {
        const features = presence.of(cluster.id)?.features;
        return features === undefined ? cluster : { ...cluster, features };
      }),
    reportsOf: readModel.snapshotOf,
    commands,
    statusesOfPipeline: readModel.statusesOfPipeline,
    verificationsOf: readModel.verificationResultsOf,
    samplesOf: readModel.metricSamplesOf,
    watchedMs: watchedClock.watchedMs,
  });
  const loop = { commands, clock, random, signal, logger };
  const promotion = createPromotionReactor({
    ...loop,
    pipelineNames: readModel.pipelinesToAdvance,
    snapshotOf,
  });
  onAgentNews = () => promotion.wake(readModel.verifyingPipelines());
  const metrics = createMetricReactor({
    openAnalyses: readModel.openAnalyses,
    recordSample: readModel.recordSample,
    read: createMetricSource({ allowedHosts: config.metricHosts, readSecret }),
    clock,
    signal,
    logger,
  });
  const fleet = createFleetReactor({
    ...loop,
    clusters: readModel.allClusters,
    presenceOf: presence.of,
  });
  const freezes = createFreezeReactor({
    ...loop,
    freezes: commands.freezesState,
    onChanged: () => {
      promotion.wake();
      agentLink.assignmentsChanged();
    },
  });
  wakeFleet = fleet.wake;
  const stageRefs = createStageRefReactor({
    ...loop,
    git,
    repositories: () => readModel.allRepositories().map(({ definition }) => definition),
    pipelinesOf: (name) =>
      readModel.pipelinesOfRepository(name).map((pipeline) => pipeline.definition),
    credentialsOf: gitCredentialsOf,
    mirrorsDirectory: config.mirrorsDirectory,
  });
  const cutOff = new Set<ClusterId>();
  const cutOffIfGone = (id: ClusterId) => {
    const cluster = readModel.findClusterById(id);
    const isGone =
      cluster &&
      (cluster.removedAt !== null || ['revoked', 'quarantined'].includes(cluster.status));
    if (!isGone) cutOff.delete(id);
    else if (!cutOff.has(id)) {
      cutOff.add(id);
      agentLink.disconnectCluster(id, cluster.name).catch((error) => {
        logger.error({ err: error, cluster: cluster.name }, 'a cluster could not be cut off');
      });
    }
  };
  parts.defer(
    readModel.onChanged((change) => {
      const { registrations, assignments, pipelines, spans } = change;
      if (change.freezes.size > 0) freezes.wake();
      for (const cluster of assignments) agentLink.assignmentsChanged(cluster);
      for (const cluster of registrations) cutOffIfGone(cluster);
      if (registrations.size > 0) fleet.wake();
      if (registrations.size > 0 || change.tokens.size > 0) promotion.wake();
      else promotion.wake(pipelines, spans);
      // Reports alone change nothing that these look at.
      if (spans.size > 0 || change.defined.size > 0) {
        metrics.wake();
        stageRefs.wake();
      }
      if (change.repositories.size > 0) repositories.refresh();
      for (const name of change.defined) {
        // A new definition may include what was no release so far.
        const pipeline = readModel.findPipeline(name);
        if (pipeline) repositories.hint(pipeline.definition.repository);
      }
    }),
  );
  repositories.refresh();

  // People.
  const app = createHttpApi({
    readModel,
    commands,
    definitions,
    hasConfiguration: configuration !== undefined,
    log,
    authenticate: createAuthenticator(readModel.findTokenByHash),
    snapshotOf,
    lastSeenOf: (cluster) => presence.of(cluster)?.lastSeenAt,
    onEpochAdvanced: () => agentLink.assignmentsChanged(),
    renderInstallManifest: (join) =>
      renderInstallManifest({
        ...join,
        caKeyHash: authority.caKeyHash,
        enrolAddress: `${config.publicHost}:${agentLink.enrolPort}`,
        image: config.agentImage,
      }),
    planOf: agentLink.planOf,
    receiveWebhook: async ({ repository, headers, body }) => {
      const ownWebhook = configuration && repository === configurationRepositoryName;
      const definition = ownWebhook
        ? config.configurationRepository
        : readModel.findRepository(repository)?.definition;
      if (!definition) {
        return err({ code: 'repository_not_found', detail: `no repository ${repository}` });
      }
      const { webhookSecretName: name } = definition;
      const secret = name === undefined ? undefined : await readSecret(name, 'webhook');
      const received = receiveWebhook({ repository, headers, body, secret });
      if (received.ok && ownWebhook) configuration.hint();
      else if (received.ok) repositories.hint(repository);
      return received;
    },
    checks: {
      'decision log': async () => ({ ok: true, detail: `position ${await log.headPosition()}` }),
      'read model': async () => ({
        ok: readModel.lagMs() < readModelLagMsMax,
        detail: `${readModel.lagMs()} ms behind`,
      }),
      bus: async () => ({
        ok: ingest.isConnected(),
        detail: ingest.isConnected() ? 'taking messages in' : 'not connected',
      }),
    },
    scrapeMetrics: telemetry.scrape,
    clock,
    random,
    logger,
    signal,
  });
  const server = await startHttpServer({ app, ...config.http });
  parts.defer(server.close);
  logger.info({ url: server.url, enrol: agentLink.enrolPort, link: agentLink.linkPort }, 'ready');

  await untilAborted(signal);
  logger.info('stopping');
  await Promise.allSettled([
    promotion.stopped,
    metrics.stopped,
    fleet.stopped,
    stageRefs.stopped,
    freezes.stopped,
    repositories.ended(),
    configuration?.ended(),
  ]);
}

/** The loop that keeps the hub's own resources as their repository says, where the hub is told of one. */
function startConfiguration({
  config,
  credentials,
  ...rest
}: Omit<ConfigurationReactorOptions, 'repository' | 'directory' | 'credentials'> & {
  readonly config: HubConfig;
  readonly credentials: (secretName: string) => Promise<GitCredentials>;
}): ConfigurationReactor | undefined {
  const { configurationRepository: repository, configurationMirror: directory } = config;
  if (repository === undefined) return undefined;
  const { credentialsSecretName: name } = repository;
  return createConfigurationReactor({
    ...rest,
    repository,
    directory,
    credentials: async () => (name === undefined ? undefined : credentials(name)),
  });
}

/** Every key that agents of this name ever had on the bus: an old one may still be connected. */
async function natsKeysOf(log: DecisionLog, clusterName: string): Promise<string[]> {
  const keys = new Set<string>();
  for await (const { event } of log.readStream(streams.cluster(clusterName))) {
    if ('natsPublicKey' in event) keys.add(event.natsPublicKey);
  }
  return [...keys];
}

/** An address to reach a listener from this machine. */
const loopbackOf = (host: string): string =>
  host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
try {
  const config = readHubConfig(process.env);
  await runHub(config, createLogger('hub', config.logLevel), stop.signal);
} catch (error) {
  const isExpected = error instanceof ConfigError;
  process.stderr.write(`${isExpected ? error.message : (error as Error).stack}\n`);
  process.exitCode = isExpected ? 2 : 1;
}

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '@fairlead/shared/config';
import { createLogger, type Logger } from '@fairlead/shared/log';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { type Cluster, ClusterError, createKubernetesCluster } from './cluster/index.ts';
import { type AgentConfig, readAgentConfig } from './config/index.ts';
import { type AuditEntry, failedPlan } from './domain/link/index.ts';
import {
  createHubLink,
  createIdentity,
  createLoadTree,
  secretIdentityStore,
} from './hub-link/index.ts';
import { secretAccess } from './identity-secret/index.ts';
import {
  collectGarbage,
  createObjectStore,
  createTreeFolders,
  type Journal,
  openJournal,
} from './journal/index.ts';
import { clusterUidRetryMs, garbageIntervalMs } from './limits.ts';
import { createReconciler, type Reconciler } from './reconcile/index.ts';
import { createRenderer } from './render/index.ts';
import { createMetrics, startHealthServer } from './telemetry/index.ts';
import { createTrust } from './trust/index.ts';
import { createVerifier, type Verifier } from './verification/index.ts';

const agentVersion = '0.1.0';

/** Runs the agent until the signal is aborted; what it was doing is in its journal and goes on at the next start. */
async function runAgent(config: AgentConfig, logger: Logger, signal: AbortSignal): Promise<void> {
  const clock = systemClock;
  const random = systemRandom;
  const inData = (name: string) => join(config.dataDirectory, name);
  mkdirSync(config.dataDirectory, { recursive: true, mode: 0o700 });
  await using parts = new AsyncDisposableStack();

  const journal = parts.use(openJournal({ file: inData('journal.sqlite'), clock, random }));
  journal.acceptEpoch(config.acceptedEpoch);
  const objects = createObjectStore({
    rows: journal.gitObjects,
    directory: inData('objects'),
    clock,
    random,
  });
  const folders = createTreeFolders({ directory: inData('trees'), objects, clock, random });
  const cluster = createKubernetesCluster({
    kubeconfigPath: config.kubeconfig,
    inCluster: config.inCluster,
  });
  parts.defer(cluster.close);

  // The health port first: whoever started the agent sees that it lives, whatever it has to wait for.
  const metrics = createMetrics(
    {
      outbox: journal.outboxStatus,
      units: journal.assignmentsTotal,
      unitsSettled: () => reconciler?.settledCount() ?? 0,
      link: () => {
        const status = link?.status();
        return {
          watchOpen: status?.watch.state === 'open',
          busOpen: status?.bus.state === 'open',
          certificateExpiresAtMs: status?.identity.expiresAtMs ?? 0,
        };
      },
    },
    agentVersion,
  );
  let link: ReturnType<typeof createHubLink> | undefined;
  let reconciler: Reconciler | undefined;
  let verifier: Verifier | undefined;
  if (config.healthPort !== 0) {
    parts.use(
      await startHealthServer({
        host: config.healthHost,
        port: config.healthPort,
        healthy: () => journalFaults(journal),
        ready: () =>
          link?.status().identity.state === 'valid' ? [] : ['the agent has not joined its hub yet'],
        metrics,
      }),
    );
  }

  const identity = createIdentity({
    store: secretIdentityStore(secretAccess(cluster, config.namespace)),
    enrolAddress: config.enrolAddress,
    caKeyHash: config.caKeyHash,
    joinToken: config.joinToken,
    clusterName: config.clusterName,
    clusterUid: await clusterUid(cluster, config, logger, signal),
    agentVersion,
    claims: () => ({ namespace: config.namespace }),
    clock,
    random,
    logger,
  });
  const acceptJoinedEpoch = () => journal.acceptEpoch(identity.current()?.joinedEpoch ?? 0);
  parts.defer(identity.onChange(acceptJoinedEpoch));

  link = createHubLink({
    identity,
    journal,
    objects,
    agentVersion,
    clock,
    random,
    logger,
    signal,
    onAssignment: (assignment) => {
      acceptJoinedEpoch();
      reconciler?.offer(assignment);
    },
    upcoming: async (like) => reconciler?.upcoming(like) ?? [],
    onVerificationRuns: (runs) => {
      acceptJoinedEpoch();
      verifier?.offer(runs);
    },
    preview: async (assignment, ended) =>
      reconciler?.preview(assignment, ended) ?? failedPlan('the agent starts; ask again'),
  });
  const renderer = createRenderer({
    programs: {
      renderHost: config.renderHost,
      kustomize: config.kustomize,
      helm: config.helm,
      sops: config.sops,
    },
    cacheDirectory: inData('render'),
    readSecret: secretAccess(cluster, config.namespace).getSecret,
    agentNamespace: config.namespace,
    capabilities: cluster.capabilities,
    onNotice: ({ pipeline, stage }, message) => logger.warn({ pipeline, stage }, message),
  });
  const loadTree = createLoadTree(link.fetchTree, folders, journal);
  const trust = createTrust({
    cluster,
    objects,
    agentNamespace: config.namespace,
    policyRequired: config.policyRequired,
    clock,
    signal,
    onChange: () => reconciler?.retryRefused(),
  });
  const onAudit = (entry: AuditEntry) => {
    journal.appendAudit([entry]);
    metrics.countAudit(entry);
  };
  reconciler = createReconciler({
    cluster,
    loadTree,
    render: async (assignment, tree, ended) => {
      const startedAt = performance.now();
      const rendered = await renderer.render(assignment, tree, ended);
      const outcome = rendered.ok ? 'rendered' : 'failed';
      metrics.countRender(outcome, performance.now() - startedAt);
      return rendered;
    },
    trust,
    journal,
    clock,
    random,
    onReport: journal.putReport,
    onAudit,
    agentNamespace: config.namespace,
    watchNamespaces: config.watchNamespaces,
    signal,
    logger,
  });
  verifier = createVerifier({
    cluster,
    loadTree,
    renderFile: renderer.renderFile,
    trust,
    journal,
    clock,
    random,
    onAudit,
    bounds: { agentNamespace: config.namespace, watchNamespaces: config.watchNamespaces },
    signal,
    logger,
  });
  // Units of the journal are taken up before the hub is asked, so that a cluster is kept even when no hub answers.
  await reconciler.start();
  verifier.start();
  logger.info({ units: reconciler.assignments().length }, 'ready');

  const garbage = (async () => {
    while (!signal.aborted) {
      await sleep(garbageIntervalMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await collectGarbage({ journal, objects, folders, clock }).catch((error) =>
        logger.warn({ err: error }, 'unused trees were not removed'),
      );
    }
  })();
  await link.run();
  logger.info('stopping');
  await Promise.all([reconciler.drained(), verifier.drained(), garbage]);
}

/** A journal that cannot be read means that the agent would forget what it does. */
function journalFaults(journal: Journal): string[] {
  try {
    journal.outboxStatus();
    return [];
  } catch (error) {
    return [`the journal cannot be read: ${(error as Error).message}`];
  }
}

/**
 * The kube-system namespace lives as long as its cluster: its UID tells a rebuilt cluster from the old one. An agent that
 * may not read it takes its own namespace, which a rebuilt cluster has anew as well.
 */
async function clusterUid(
  cluster: Cluster,
  { namespace }: Pick<AgentConfig, 'namespace'>,
  logger: Logger,
  signal: AbortSignal,
): Promise<string> {
  const uidOf = async (name: string) => {
    const address = { apiVersion: 'v1', kind: 'Namespace', namespace: '', name };
    return (await cluster.get(address, signal))?.metadata.uid;
  };
  for (;;) {
    try {
      const uid = await uidOf('kube-system').catch((error) => {
        if (error instanceof ClusterError && error.code === 'forbidden') return uidOf(namespace);
        throw error;
      });
      if (uid) return uid;
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ err: error }, 'the cluster cannot be read yet');
    }
    await sleep(clusterUidRetryMs, undefined, { signal });
  }
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
try {
  const config = readAgentConfig(process.env, (path) => readFileSync(path, 'utf8'));
  await runAgent(config, createLogger('agent', config.logLevel), stop.signal);
} catch (error) {
  if (!stop.signal.aborted) {
    const isExpected = error instanceof ConfigError;
    process.stderr.write(`${isExpected ? error.message : (error as Error).stack}\n`);
    process.exitCode = isExpected ? 2 : 1;
  }
}

import {
  EnrolmentServiceService,
  type FetchTreeRequest,
  type FetchTreeResponse,
  type LinkServiceServer,
  LinkServiceService,
} from '@fairlead/proto';
import type { ClusterId } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Clock, Instant } from '@fairlead/shared/time';
import { type ServerWritableStream, status } from '@grpc/grpc-js';
import type { CertificateAuthority } from '../auth/ca/index.ts';
import type { NatsAccounts } from '../auth/nats-accounts/index.ts';
import { certificateAllowed } from '../domain/fleet/index.ts';
import type { Assignment, VerificationOrder } from '../domain/rollout/index.ts';
import {
  cutGraceMs,
  enrolmentReceiveBytesMax,
  linkReceiveBytesMax,
  linkTickMs,
} from '../limits.ts';
import {
  authenticate,
  CallError,
  type Peer,
  refusalOf,
  SlowReaderError,
  statusOf,
} from './call.ts';
import { createEnrolment } from './enrolment.ts';
import { createTreeSender } from './fetch-tree.ts';
import { createHubCertificates } from './hub-certificates.ts';
import { createIdentityIssuer, versionOf } from './identity.ts';
import { createInstances } from './instances.ts';
import { startListener } from './listener.ts';
import type { OfferedAssignment } from './offered.ts';
import { createPlans, type PlanOutcome } from './plans.ts';
import type { ClusterCommands, TreeObjects } from './ports.ts';
import { isWithheld, noteHeld } from './regression.ts';
import { renew } from './renewal.ts';
import { checkWatchRequest, createWatch, type Watch, type Watermark } from './watch.ts';

export type AgentLinkOptions = {
  readonly enrol: { readonly host: string; readonly port: number };
  readonly link: { readonly host: string; readonly port: number };
  /** Under which agents reach the hub. */
  readonly publicHost: string;
  /** Every name and address in the listeners' certificate. */
  readonly hosts: readonly string[];
  /** What agents are told to connect to: `tls://host:port`, each. */
  readonly natsUrls: readonly string[];
  readonly authority: CertificateAuthority;
  readonly accounts: Pick<NatsAccounts, 'issueAgentUser'>;
  readonly commands: ClusterCommands;
  /** The life of the decision log. */
  readonly epoch: () => number | Promise<number>;
  readonly assignmentsOf: (
    cluster: ClusterId,
  ) => readonly OfferedAssignment[] | Promise<readonly OfferedAssignment[]>;
  readonly assignment: (
    cluster: ClusterId,
    pipeline: string,
    stage: string,
  ) => Assignment | undefined | Promise<Assignment | undefined>;
  /** Open runs of verifications in the cluster, oldest first. */
  readonly ordersOf: (cluster: ClusterId) => readonly VerificationOrder[];
  /** The newest generation that the log knows of a pipeline; 0 when it knows no such pipeline. */
  readonly newestGeneration: (pipeline: string) => Promise<number>;
  /** Registered clusters: how far agents spread their return. */
  readonly clustersTotal: () => number;
  readonly treeObjects: TreeObjects;
  /** Ends everything that the cluster's agents may do on the bus, now. */
  readonly cutBus: (cluster: ClusterId, clusterName: string) => Promise<void>;
  /** A watch was opened, or its connection gave a sign of life. */
  readonly onSeen: (
    cluster: ClusterId,
    seen: {
      lastSeenAt: Instant;
      instanceId: string;
      agentVersion: string;
      features: readonly string[];
    },
  ) => void;
  readonly count?: (name: 'fairlead_enrolments_refused_total') => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal?: AbortSignal;
  readonly clonedOverlapMs?: number;
  readonly planTimeoutMs?: number;
  readonly tickMs?: number;
  readonly certificateCheckIntervalMs?: number;
};

export type AgentLink = {
  readonly enrolPort: number;
  readonly linkPort: number;
  /** Wakes the watches of one cluster, or of all: assignments or runs have changed. */
  readonly assignmentsChanged: (cluster?: ClusterId) => void;
  readonly auditAppended: (cluster: ClusterId, agentEpoch: string, sequence: number) => void;
  /** Asks the cluster's agent what an assignment would change, without giving it. */
  readonly planOf: (cluster: ClusterId, assignment: Assignment) => Promise<PlanOutcome>;
  /** An instance was heard on the bus: a copied identity shows there too. */
  readonly instanceHeard: (cluster: ClusterId, instanceId: string) => void;
  /** After a revocation, a removal or a quarantine: ends the cluster's calls and its bus connections. */
  readonly disconnectCluster: (cluster: ClusterId, clusterName: string) => Promise<void>;
  readonly close: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** Serves agents: enrolment without, everything else with a client certificate. Resolves when both listen. */
export async function createAgentLink(options: AgentLinkOptions): Promise<AgentLink> {
  const { commands, clock, logger, authority } = options;
  const watches = new Map<ClusterId, Set<Watch>>();
  const watermarks = new Map<ClusterId, Map<string, number>>();
  /** The connections of a cluster that made a call since they were opened. */
  const peers = new Map<ClusterId, Map<string, number>>();
  const names = new Map<ClusterId, string>();
  const instances = createInstances(options.clonedOverlapMs);
  const certificates = await createHubCertificates(options);
  let linkPort = options.link.port;
  const issuer = createIdentityIssuer({
    ...options,
    linkAddress: () => `${options.publicHost}:${linkPort}`,
  });

  const watchesOf = (cluster: ClusterId) => [...(watches.get(cluster) ?? [])];

  const identify = async (call: Parameters<typeof authenticate>[0]): Promise<Peer> => {
    const peer = await authenticate(call, commands.clusterState, clock.now());
    names.set(peer.clusterId, peer.clusterName);
    const known = peers.get(peer.clusterId) ?? new Map<string, number>();
    if (!known.has(peer.address)) known.set(peer.address, 0);
    peers.set(peer.clusterId, known);
    return peer;
  };

  const endWith = (call: ServerWritableStream<unknown, unknown>, error: unknown) => {
    if (error instanceof SlowReaderError) {
      logger.warn({ peer: call.getPeer() }, 'cut an agent that does not read');
      link.cut(call.getPeer());
      return;
    }
    if (!(error instanceof CallError)) logger.error({ error }, 'a call of an agent failed');
    call.emit('error', statusOf(error));
  };

  /** Marks the first use of a new certificate, which ends the one before and the watches that still show it. */
  const noteUse = async (peer: Peer, instanceId: string, agentVersion: string) => {
    const outcome = await commands.cluster(
      peer.clusterName,
      { type: 'record-connected', instanceId, agentVersion, serial: peer.serial },
      { kind: 'hub', name: 'agent-link' },
    );
    if (!outcome.ok) {
      throw new CallError(status.UNAUTHENTICATED, outcome.error.detail ?? outcome.error.code);
    }
    const { state } = outcome.value;
    const at = clock.now();
    for (const watch of watchesOf(peer.clusterId)) {
      const { serial, expiresAt } = watch.peer;
      if (certificateAllowed(state, serial, at)) continue;
      watch.end(new CallError(status.UNAUTHENTICATED, refusalOf(state, expiresAt, at)));
    }
  };

  const watchAssignments: LinkServiceServer['watchAssignments'] = async (call) => {
    let watch: Watch | undefined;
    try {
      const peer = await identify(call);
      const { clusterId, clusterName } = peer;
      checkWatchRequest(call.request);
      const { instanceId } = call.request;
      const agentVersion = versionOf(call.request.agentVersion);
      await noteUse(peer, instanceId, agentVersion);
      await noteHeld(options, peer, call.request.known);
      watch = createWatch(call, peer, {
        ...options,
        isWithheld: (epoch) => isWithheld(options, clusterName, epoch),
        clusterLabels: async () => {
          const state = await commands.clusterState(clusterName);
          return state.status === 'present' ? state.labels : {};
        },
        watermarks: [...(watermarks.get(clusterId) ?? [])].map(([agentEpoch, sequence]) => ({
          agentEpoch,
          sequence,
        })),
      });
      watches.set(clusterId, (watches.get(clusterId) ?? new Set<Watch>()).add(watch));
      noteSeen(watch);
      await watch.run();
      call.end();
    } catch (error) {
      endWith(call, error);
    } finally {
      if (watch !== undefined) forget(watch);
    }
  };

  const forget = (watch: Watch) => {
    const { clusterId } = watch.peer;
    const left = watches.get(clusterId);
    left?.delete(watch);
    if (left?.size === 0) watches.delete(clusterId);
  };

  const noteSeen = ({ peer, instanceId, agentVersion, features }: Watch) => {
    const lastSeenAt = clock.now();
    options.onSeen(peer.clusterId, { lastSeenAt, instanceId, agentVersion, features });
    instanceHeard(peer.clusterId, instanceId);
  };

  const instanceHeard = (cluster: ClusterId, instanceId: string) => {
    const copies = instances.seen(cluster, instanceId, clock.now());
    const name = names.get(cluster);
    if (copies.length === 0 || name === undefined) return;
    instances.forget(cluster);
    quarantine(cluster, name, copies).catch((error) => {
      logger.error({ error, cluster }, 'cannot quarantine a copied identity');
    });
  };

  const quarantine = async (cluster: ClusterId, name: string, instanceIds: readonly string[]) => {
    logger.error({ cluster, name, instanceIds }, 'one identity is used at two places: quarantined');
    const actor = { kind: 'hub', name: 'agent-link' } as const;
    await commands.cluster(name, { type: 'quarantine', instanceIds }, actor);
    await disconnectCluster(cluster, name);
  };

  const disconnectCluster: AgentLink['disconnectCluster'] = async (cluster, name) => {
    const state = await commands.clusterState(name);
    const reason = (watch: Watch) => refusalOf(state, watch.peer.expiresAt, clock.now());
    for (const watch of watchesOf(cluster)) {
      watch.end(new CallError(status.UNAUTHENTICATED, reason(watch)));
    }
    const addresses = [...(peers.get(cluster)?.keys() ?? [])];
    const cut = new Promise<void>((resolve) => {
      setTimeout(() => {
        for (const address of addresses) link.cut(address);
        resolve();
      }, cutGraceMs);
    });
    await Promise.all([cut, options.cutBus(cluster, name)]);
  };

  const plans = createPlans({ newestWatchOf: (cluster) => watchesOf(cluster).at(-1), ...options });
  const sendTree = createTreeSender({ ...options, askedOf: plans.askedOf });
  const link = await startListener({
    ...options.link,
    provider: certificates.provider,
    clientCertificate: 'required',
    receiveBytesMax: linkReceiveBytesMax,
    service: LinkServiceService,
    implementation: {
      renew: (call, callback) => {
        identify(call)
          .then((peer) => renew(call.request, peer, { commands, issuer, at: clock.now() }))
          .then(
            (response) => callback(null, response),
            (error) => {
              if (!(error instanceof CallError)) logger.error({ error }, 'a renewal failed');
              callback(statusOf(error));
            },
          );
      },
      watchAssignments,
      answerPlan: (call, callback) => {
        identify(call)
          .then((peer) => plans.take(call, peer))
          .then(
            () => callback(null, {}),
            (error) => {
              if (!(error instanceof CallError)) logger.error({ error }, 'a plan was not taken');
              callback(statusOf(error));
            },
          );
      },
      fetchTree: async (call: ServerWritableStream<FetchTreeRequest, FetchTreeResponse>) => {
        try {
          await sendTree(call, await identify(call));
          call.end();
        } catch (error) {
          endWith(call, error);
        }
      },
    } satisfies LinkServiceServer,
  });
  linkPort = link.port;

  const enrolment = await startListener({
    ...options.enrol,
    provider: certificates.provider,
    clientCertificate: 'none',
    receiveBytesMax: enrolmentReceiveBytesMax,
    service: EnrolmentServiceService,
    implementation: createEnrolment({ ...options, issuer }),
  });

  const tick = setInterval(() => {
    const at = clock.now();
    for (const [cluster, known] of peers) {
      const alive = new Set<string>();
      for (const [address, bytesBefore] of known) {
        const bytes = link.bytesFrom(address);
        if (bytes === undefined) known.delete(address);
        else {
          if (bytes > bytesBefore) alive.add(address);
          known.set(address, bytes);
        }
      }
      if (known.size === 0) peers.delete(cluster);
      for (const watch of watchesOf(cluster)) {
        if (at >= watch.peer.expiresAt) {
          watch.end(new CallError(status.UNAUTHENTICATED, 'the certificate has expired'));
        } else if (alive.has(watch.peer.address)) noteSeen(watch);
      }
    }
  }, options.tickMs ?? linkTickMs);

  const close = async () => {
    clearInterval(tick);
    certificates.close();
    const reason = new CallError(status.UNAVAILABLE, 'the hub stops');
    for (const set of watches.values()) for (const watch of set) watch.end(reason);
    await Promise.all([link.close(), enrolment.close()]);
  };
  options.signal?.addEventListener('abort', () => void close(), { once: true });
  logger.info(
    { enrolPort: enrolment.port, linkPort, caKeyHash: authority.caKeyHash },
    'agents may connect',
  );

  return {
    enrolPort: enrolment.port,
    linkPort,
    assignmentsChanged: (cluster) => {
      const concerned = cluster === undefined ? [...watches.keys()] : [cluster];
      for (const id of concerned) for (const watch of watchesOf(id)) watch.assignmentsChanged();
    },
    auditAppended: (cluster, agentEpoch, sequence) => {
      const mark: Watermark = { agentEpoch, sequence };
      // Only the newest life of a journal: an agent that lost its disk has nothing left to forget of the one before.
      watermarks.set(cluster, new Map([[agentEpoch, sequence]]));
      for (const watch of watchesOf(cluster)) watch.auditAppended(mark);
    },
    planOf: plans.ask,
    instanceHeard,
    disconnectCluster,
    close,
    [Symbol.asyncDispose]: close,
  };
}

import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type EnrollResponse,
  EnrolmentServiceClient,
  type Identity,
  LinkServiceClient,
  type RenewResponse,
  type WatchAssignmentsRequest,
  type WatchAssignmentsResponse,
} from '@fairlead/proto';
import type { ClusterId, ClusterName, ProjectName } from '@fairlead/shared/ids';
import { createLogger } from '@fairlead/shared/log';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { type ClientOptions, credentials, type ServiceError } from '@grpc/grpc-js';
import { openCertificateAuthority } from '../auth/ca/index.ts';
import { openNatsAccounts } from '../auth/nats-accounts/index.ts';
import { newBusUser, signingRequest } from '../auth/testing/index.ts';
import { createCommandHandler } from '../commands/index.ts';
import { openSqliteDecisionLog } from '../decision-log/index.ts';
import { type AgentLinkOptions, createAgentLink } from './agent-link.ts';
import type { OfferedAssignment } from './offered.ts';

const person = { kind: 'person', name: 'tester' } as const;
export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A hub's link on free ports, over a real log, keys and commands; the read model is two maps. */
export async function startLink(overrides: Partial<AgentLinkOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-link-'));
  const log = await openSqliteDecisionLog({ path: join(directory, 'log.sqlite') });
  let offsetMs = 0;
  const clock = { now: () => systemClock.now() + offsetMs };
  const commands = createCommandHandler({ log, clock });
  const authority =
    overrides.authority ?? (await openCertificateAuthority({ directory, at: systemClock.now() }));
  const accounts = await openNatsAccounts({ directory });
  const assignments = new Map<ClusterId, OfferedAssignment[]>();
  const cut: string[] = [];
  const seen: string[] = [];
  const link = await createAgentLink({
    enrol: { host: '127.0.0.1', port: 0 },
    link: { host: '127.0.0.1', port: 0 },
    publicHost: '127.0.0.1',
    hosts: ['127.0.0.1', 'localhost'],
    natsUrls: ['tls://127.0.0.1:4222'],
    authority,
    accounts,
    commands,
    epoch: () => 1,
    ordersOf: () => [],
    assignmentsOf: (cluster) => assignments.get(cluster) ?? [],
    assignment: (cluster, pipeline, stage) =>
      assignments.get(cluster)?.find((a) => a.pipeline === pipeline && a.stage === stage),
    newestGeneration: async () => Number.MAX_SAFE_INTEGER,
    clustersTotal: () => 1,
    treeObjects: async function* () {},
    cutBus: async (cluster) => {
      cut.push(cluster);
    },
    onSeen: (cluster, { instanceId }) => {
      seen.push(`${cluster}/${instanceId}`);
    },
    clock,
    logger: createLogger('test', 'silent'),
    ...overrides,
  });

  const addCluster = async (name: string, tokenLifetimeMs = 600_000) => {
    const id = systemRandom.nextId() as ClusterId;
    const token = randomBytes(16).toString('hex');
    const added = await commands.cluster(
      name,
      {
        type: 'add-cluster',
        id,
        name: name as ClusterName,
        project: 'default' as ProjectName,
        labels: { environment: 'test' },
        tokenHash: sha256(token),
        tokenExpiresAt: clock.now() + tokenLifetimeMs,
      },
      person,
    );
    if (!added.ok) throw new Error(added.error.code);
    return { id, name, token };
  };

  return {
    link,
    log,
    commands,
    authority,
    accounts,
    assignments,
    cut,
    seen,
    addCluster,
    moveClock: (byMs: number) => {
      offsetMs += byMs;
    },
    eventsOf: async (name: string) => {
      const types: string[] = [];
      for await (const { event } of log.readStream(`cluster/${name}`)) types.push(event.type);
      return types;
    },
    [Symbol.asyncDispose]: async () => {
      await link.close();
      await log.close();
    },
  };
}
export type TestLink = Awaited<ReturnType<typeof startLink>>;

export type AgentKeys = Awaited<ReturnType<typeof signingRequest>> & {
  natsPublicKey: string;
  natsSeed: Uint8Array;
};
export async function newKeys(): Promise<AgentKeys> {
  const { publicKey, seed } = newBusUser();
  return { ...(await signingRequest({})), natsPublicKey: publicKey, natsSeed: seed };
}

export type Refusal = { code: number; details: string };
const refusalOf = ({ code, details }: ServiceError): Refusal => ({ code, details });

/** Enrols; rejects with the status. */
export async function enroll(
  hub: TestLink,
  request: { name: string; token: string; keys?: AgentKeys; uid?: string; caPem?: string },
): Promise<{ identity: Identity; keys: AgentKeys }> {
  const keys = request.keys ?? (await newKeys());
  const client = new EnrolmentServiceClient(
    `127.0.0.1:${hub.link.enrolPort}`,
    credentials.createSsl(Buffer.from(request.caPem ?? hub.authority.caPem)),
  );
  try {
    const response = await new Promise<EnrollResponse>((resolve, reject) => {
      client.enroll(
        {
          joinToken: request.token,
          clusterName: request.name,
          certificateSigningRequest: Buffer.from(keys.der),
          natsPublicKey: keys.natsPublicKey,
          clusterUid: request.uid ?? 'uid-1',
          agentVersion: '0.1.0',
          claims: { kubernetes: 'v1.37.2' },
        },
        (error, answer) => (error ? reject(refusalOf(error)) : resolve(answer)),
      );
    });
    if (response.identity === undefined) throw new Error('an answer without an identity');
    return { identity: response.identity, keys };
  } finally {
    client.close();
  }
}

/** Opens the link as an agent does, each with a connection of its own. */
export function openLink(
  hub: TestLink,
  identity: { certificatePem: string },
  keys: { keyPem: string },
  options: Partial<ClientOptions> & { caPem?: string } = {},
) {
  const { caPem = hub.authority.caPem, ...clientOptions } = options;
  return new LinkServiceClient(
    `127.0.0.1:${hub.link.linkPort}`,
    credentials.createSsl(
      Buffer.from(caPem),
      Buffer.from(keys.keyPem),
      Buffer.from(identity.certificatePem),
    ),
    { 'grpc.use_local_subchannel_pool': 1, ...clientOptions },
  );
}

export const renewal = (client: LinkServiceClient, keys: AgentKeys): Promise<RenewResponse> =>
  new Promise((resolve, reject) => {
    client.renew(
      {
        certificateSigningRequest: Buffer.from(keys.der),
        natsPublicKey: keys.natsPublicKey,
        agentVersion: '0.1.0',
        claims: {},
      },
      (error, answer) => (error ? reject(refusalOf(error)) : resolve(answer)),
    );
  });

/** Watches, and keeps what came and how it ended. */
export function watch(client: LinkServiceClient, request: Partial<WatchAssignmentsRequest> = {}) {
  const updates: NonNullable<WatchAssignmentsResponse['update']>[] = [];
  const call = client.watchAssignments({
    known: [],
    agentVersion: '0.1.0',
    instanceId: 'instance-1',
    features: [],
    ...request,
  });
  let ended: Refusal | undefined;
  call.on('data', ({ update }: WatchAssignmentsResponse) => {
    if (update !== undefined) updates.push(update);
  });
  call.on('error', (error: ServiceError) => {
    ended = refusalOf(error);
  });
  call.on('end', () => {
    ended ??= { code: 0, details: '' };
  });
  return { call, updates, ended: () => ended, kinds: () => updates.map(({ $case }) => $case) };
}

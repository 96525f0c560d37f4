// A small hub for tests: the generated services on real gRPC with mutual TLS, behaving as a test says.
import {
  type AnswerPlanRequest,
  type AnswerPlanResponse,
  type EnrollRequest,
  type EnrollResponse,
  EnrolmentServiceService,
  type FetchTreeRequest,
  type FetchTreeResponse,
  GitObjectType,
  LinkServiceService,
  type RenewRequest,
  type RenewResponse,
  type WatchAssignmentsRequest,
  type WatchAssignmentsResponse,
  type Assignment as WireAssignment,
} from '@fairlead/proto';
import {
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { BuiltCommit } from '../journal/testing/index.ts';
import type { TestAuthority } from './testing-authority.ts';
import type { TestBus } from './testing-bus.ts';

export const clusterId = 'cluster0123456789';
type Watch = ServerWritableStream<WatchAssignmentsRequest, WatchAssignmentsResponse>;
type Fetch = ServerWritableStream<FetchTreeRequest, FetchTreeResponse>;

export const refusal = (code: number, details: string): Partial<ServiceError> => ({
  code,
  details,
});

export type TestHub = Awaited<ReturnType<typeof startTestHub>>;

export async function startTestHub(
  authority: TestAuthority,
  bus: Pick<TestBus, 'url' | 'userJwt'>,
  server?: { keyPem: string; chainPem: string },
) {
  const { keyPem, chainPem } = server ?? (await authority.server(['127.0.0.1', 'localhost']));
  const pair = { private_key: Buffer.from(keyPem), cert_chain: Buffer.from(chainPem) };
  const state = {
    lifetimeMs: 3_600_000,
    epoch: 1,
    tokens: new Set<string>(),
    knownKeys: new Set<string>(),
    revoked: false,
    /** Answers that are lost on their way, after the hub has acted. */
    answersLost: 0,
    enrolments: [] as EnrollRequest[],
    renewals: 0,
    serials: [] as string[],
    watches: [] as Watch[],
    requests: [] as WatchAssignmentsRequest[],
    /** The serial of the certificate that each watch was opened with. */
    watchSerials: [] as string[],
    fetches: [] as FetchTreeRequest[],
    /** Messages of whole calls. */
    planAnswers: [] as AnswerPlanRequest[][],
    onWatch: (_call: Watch): void => undefined,
    onFetch: (call: Fetch): void => {
      call.emit('error', refusal(status.NOT_FOUND, 'no tree'));
    },
  };
  const lost = refusal(status.UNAVAILABLE, 'the answer was lost') as ServiceError;

  const issue = async (csr: Uint8Array, natsPublicKey: string) => {
    const { pem, serial, keyHash } = await authority.client(csr, state.lifetimeMs);
    state.serials.push(serial);
    return {
      keyHash,
      identity: {
        clusterId,
        clusterName: 'east',
        certificatePem: pem,
        serial,
        issuedAtMs: Date.now(),
        expiresAtMs: Date.now() + state.lifetimeMs,
        caPem: authority.caPem,
        natsUserJwt: await bus.userJwt(clusterId, natsPublicKey, state.lifetimeMs + 60_000),
        natsUrls: [bus.url],
        linkAddress: `127.0.0.1:${linkPort}`,
        beatIntervalMs: 1_000,
        reconnectSpreadMs: 0,
        epoch: state.epoch,
      },
    };
  };

  const enrolment = new Server();
  enrolment.addService(EnrolmentServiceService, {
    enroll: async (
      { request }: ServerUnaryCall<EnrollRequest, EnrollResponse>,
      callback: sendUnaryData<EnrollResponse>,
    ) => {
      state.enrolments.push(request);
      const { identity, keyHash } = await issue(
        request.certificateSigningRequest,
        request.natsPublicKey,
      );
      const token = request.joinToken !== '' && state.tokens.delete(request.joinToken);
      const known = request.joinToken === '' && state.knownKeys.has(keyHash);
      if (state.revoked || (!token && !known)) {
        callback(refusal(status.UNAUTHENTICATED, 'not enrolled'));
        return;
      }
      state.knownKeys.add(keyHash);
      if (state.answersLost-- > 0) callback(lost);
      else callback(null, { identity });
    },
  });
  const link = new Server();
  link.addService(LinkServiceService, {
    renew: async (
      { request }: ServerUnaryCall<RenewRequest, RenewResponse>,
      callback: sendUnaryData<RenewResponse>,
    ) => {
      state.renewals++;
      if (state.revoked) {
        callback(refusal(status.UNAUTHENTICATED, 'revoked'));
        return;
      }
      const { identity } = await issue(request.certificateSigningRequest, request.natsPublicKey);
      if (state.answersLost-- > 0) callback(lost);
      else callback(null, { identity });
    },
    watchAssignments: (call: Watch) => {
      state.watches.push(call);
      state.requests.push(call.request);
      const context = call.getAuthContext().sslPeerCertificate;
      state.watchSerials.push((context?.serialNumber ?? '').toLowerCase());
      call.on('error', () => undefined);
      state.onWatch(call);
    },
    answerPlan: (
      call: ServerReadableStream<AnswerPlanRequest, AnswerPlanResponse>,
      callback: sendUnaryData<AnswerPlanResponse>,
    ) => {
      const messages: AnswerPlanRequest[] = [];
      call.on('data', (message: AnswerPlanRequest) => messages.push(message));
      call.on('end', () => {
        state.planAnswers.push(messages);
        callback(null, {});
      });
    },
    fetchTree: (call: Fetch) => {
      state.fetches.push(call.request);
      call.on('error', () => undefined);
      state.onFetch(call);
    },
  });
  const bind = (on: Server, credentials: ServerCredentials, address = '127.0.0.1:0') =>
    new Promise<number>((resolve, reject) =>
      on.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port))),
    );
  const enrolPort = await bind(enrolment, ServerCredentials.createSsl(null, [pair]));
  const linkPort = await bind(
    link,
    ServerCredentials.createSsl(Buffer.from(authority.caPem), [pair], true),
  );
  return {
    state,
    enrolAddress: `127.0.0.1:${enrolPort}`,
    enrolPort,
    linkPort,
    close: () => {
      enrolment.forceShutdown();
      link.forceShutdown();
    },
  };
}

const types = {
  commit: GitObjectType.GIT_OBJECT_TYPE_COMMIT,
  tree: GitObjectType.GIT_OBJECT_TYPE_TREE,
  blob: GitObjectType.GIT_OBJECT_TYPE_BLOB,
} as const;

/** Sends Git objects as the protocol says; `change` may spoil a message. */
export function sendObjects(
  call: Fetch,
  objects: BuiltCommit['objects'],
  change: (response: FetchTreeResponse) => FetchTreeResponse | undefined = (response) => response,
): void {
  const chunkBytes = 1_000;
  const write = (response: FetchTreeResponse): void => {
    const changed = change(response);
    if (changed !== undefined) call.write(changed);
  };
  for (const [objectId, { kind, data }] of objects) {
    for (let offset = 0; offset === 0 || offset < data.length; offset += chunkBytes) {
      write({
        part: {
          $case: 'chunk',
          chunk: {
            objectId,
            type: types[kind],
            sizeBytes: data.length,
            offsetBytes: offset,
            data: data.subarray(offset, offset + chunkBytes),
          },
        },
      });
    }
  }
  write({ part: { $case: 'complete', complete: { objectsTotal: objects.size } } });
  call.end();
}

export const wireAssignment = (changes: Partial<WireAssignment> = {}): WireAssignment => ({
  pipeline: 'checkout',
  stage: 'staging',
  project: 'default',
  epoch: 1,
  generation: 1,
  disposition: 1,
  repository: 'shop',
  commit: 'c'.repeat(40),
  path: 'app/overlay',
  root: 'app',
  render: undefined,
  apply: undefined,
  clusterName: 'east',
  clusterLabels: {},
  ...changes,
});

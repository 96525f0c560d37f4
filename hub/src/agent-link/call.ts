import type { ClusterId, ClusterName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import { type ServerWritableStream, status } from '@grpc/grpc-js';
import { readPeerCertificate } from '../auth/ca/index.ts';
import { type ClusterState, certificateAllowed } from '../domain/fleet/index.ts';
import { slowReaderTimeoutMs } from '../limits.ts';

/** Ends a call with a gRPC status; its message goes to the agent, so it names no secret and no other cluster. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly code: status;
  readonly details: string;
  constructor(code: status, details: string) {
    super(details);
    this.code = code;
    this.details = details;
  }
}

export type Peer = {
  readonly clusterId: ClusterId;
  readonly clusterName: ClusterName;
  readonly serial: string;
  readonly expiresAt: Instant;
  /** `address:port` of its connection. */
  readonly address: string;
  readonly state: Extract<ClusterState, { status: 'present' }>;
};

type AnyCall = Pick<ServerWritableStream<unknown, unknown>, 'getAuthContext' | 'getPeer'>;

/**
 * Who calls: the cluster that the verified certificate names, if that certificate counts at this moment. UNAUTHENTICATED
 * otherwise; the holder of a certificate may know why.
 */
export async function authenticate(
  call: AnyCall,
  clusterState: (name: string) => Promise<ClusterState>,
  at: Instant,
): Promise<Peer> {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  const read = readPeerCertificate(certificate);
  if (!read.ok) throw new CallError(status.UNAUTHENTICATED, read.error);
  const { clusterId, serial, expiresAt } = read.value;
  // The authority wrote the name; whether it is still this cluster's is seen by the id.
  const name = certificate?.subject.OU;
  const state = typeof name === 'string' ? await clusterState(name) : undefined;
  if (state?.status !== 'present' || state.id !== clusterId) {
    throw new CallError(status.UNAUTHENTICATED, 'this cluster was removed');
  }
  if (at >= expiresAt || !certificateAllowed(state, serial, at)) {
    throw new CallError(status.UNAUTHENTICATED, refusalOf(state, expiresAt, at));
  }
  const peer = { clusterId, clusterName: state.name, serial, expiresAt, state };
  return { ...peer, address: call.getPeer() };
}

export function refusalOf(state: ClusterState, expiresAt: Instant, at: Instant): string {
  if (state.status !== 'present') return 'this cluster was removed';
  if (state.revoked) return 'this cluster is revoked';
  if (state.quarantinedInstanceIds !== undefined) {
    return 'this identity was used at two places at once and is quarantined';
  }
  return at >= expiresAt
    ? 'the certificate has expired; enrol again by the cluster key'
    : 'a newer certificate is in use; enrol again by the cluster key';
}

/** What the caller of a unary or streaming call gets for an error; anything unexpected says nothing of its cause. */
export const statusOf = (error: unknown): { code: status; details: string } =>
  error instanceof CallError
    ? { code: error.code, details: error.details }
    : { code: status.INTERNAL, details: 'a fault of the hub; its log has the cause' };

/**
 * Sends one message and waits until the connection took it. False when the call is over; throws when the reader took
 * nothing for too long.
 */
export function send<Message>(
  call: ServerWritableStream<unknown, Message>,
  message: Message,
): Promise<boolean> {
  if (call.cancelled || call.destroyed || call.writableEnded) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    const over = () => finish(() => resolve(false));
    const timer = setTimeout(
      () => finish(() => reject(new SlowReaderError('the agent does not read'))),
      slowReaderTimeoutMs,
    );
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      call.off('cancelled', over);
      call.off('close', over);
      settle();
    };
    call.once('cancelled', over);
    call.once('close', over);
    call.write(message, (error?: Error | null) => finish(() => resolve(!error)));
  });
}

/** The other side keeps its connection open and takes nothing. */
export class SlowReaderError extends Error {
  override readonly name = 'SlowReaderError';
}

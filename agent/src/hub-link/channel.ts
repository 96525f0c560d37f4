import { EnrolmentServiceClient, LinkServiceClient } from '@fairlead/proto';
import { err, ok, type Result } from '@fairlead/shared/result';
import { type ChannelOptions, credentials, type ServiceError, status } from '@grpc/grpc-js';
import {
  linkBackoffMsMax,
  linkBackoffMsMin,
  linkCallMsMax,
  linkKeepAliveAnswerMsMax,
  linkKeepAliveMs,
  linkMessageBytesMax,
} from '../limits.ts';
import type { HubIdentity } from './hub-identity.ts';

/** Why a call failed, with gRPC's code; the text is the hub's and meant for people. */
export type CallFailure = { readonly code: number; readonly message: string };

/** The hub knows the caller and says no, so that trying again at once is no use. */
export const isRefusal = ({ code }: CallFailure): boolean =>
  code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED;

// Each connection is the agent's own: gRPC would share one between channels with equal credentials, and a certificate
// that was renewed would not be used.
const options: ChannelOptions = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.keepalive_time_ms': linkKeepAliveMs,
  'grpc.keepalive_timeout_ms': linkKeepAliveAnswerMsMax,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': linkBackoffMsMin,
  'grpc.max_reconnect_backoff_ms': linkBackoffMsMax,
  'grpc.max_receive_message_length': linkMessageBytesMax,
  'grpc.enable_http_proxy': 0,
};

export const openLink = (identity: HubIdentity): LinkServiceClient =>
  new LinkServiceClient(
    identity.linkAddress,
    credentials.createSsl(
      Buffer.from(identity.caPem),
      Buffer.from(identity.clusterKeyPem),
      Buffer.from(identity.certificatePem),
    ),
    options,
  );

export const openEnrolment = (address: string, caPem: string): EnrolmentServiceClient =>
  new EnrolmentServiceClient(address, credentials.createSsl(Buffer.from(caPem)), options);

/** One unary call with a deadline; `invoke` binds the method. */
export function callUnary<Response>(
  invoke: (
    callOptions: { deadline: number },
    callback: (error: ServiceError | null, response: Response) => void,
  ) => { cancel: () => void },
  signal: AbortSignal,
): Promise<Result<Response, CallFailure>> {
  return new Promise((resolve) => {
    const call = invoke({ deadline: Date.now() + linkCallMsMax }, (error, response) => {
      signal.removeEventListener('abort', cancel);
      resolve(error === null ? ok(response) : err(failureOf(error)));
    });
    const cancel = (): void => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
  });
}

export function failureOf(error: unknown): CallFailure {
  const { code, details, message } = error as Partial<ServiceError>;
  return { code: code ?? status.UNKNOWN, message: details || message || String(error) };
}

import { createHash } from 'node:crypto';
import type { EnrollRequest, EnrollResponse, EnrolmentServiceServer } from '@fairlead/proto';
import { type ClusterName, parseName } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Clock } from '@fairlead/shared/time';
import { status } from '@grpc/grpc-js';
import { RequestInvalidError } from '../auth/ca/index.ts';
import type { EnrolmentRefusal } from '../domain/fleet/index.ts';
import { enrolmentsWaitingPerAddressMax, joinTokenCharactersMax } from '../limits.ts';
import { CallError, statusOf } from './call.ts';
import { claimsOf, type IdentityIssuer, requireUserPublicKey, versionOf } from './identity.ts';
import type { ClusterCommands } from './ports.ts';
import { createRefusalLimiter, networkOf } from './refusal-limiter.ts';
import { createTurns } from './turns.ts';

/** The one answer to all refusals: which of them it was is in the hub's log, and a guesser learns nothing. */
const refusedDetails = 'the hub does not accept this enrolment; its log has the reason';

class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly code: string;
  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

export type EnrolmentOptions = {
  readonly commands: ClusterCommands;
  readonly issuer: IdentityIssuer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly count?: (name: 'fairlead_enrolments_refused_total') => void;
};

export function createEnrolment(options: EnrolmentOptions): EnrolmentServiceServer {
  const { clock, logger } = options;
  const limiter = createRefusalLimiter();
  // One after the other for each address, so that many guesses at once are counted like many in a row.
  const turns = createTurns(enrolmentsWaitingPerAddressMax);

  const tryOnce = async (request: EnrollRequest, address: string): Promise<EnrollResponse> => {
    if (!limiter.mayTry(address, clock.now())) throw tooMany();
    try {
      return await enrol(request, options);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      limiter.refused(address, clock.now());
      options.count?.('fairlead_enrolments_refused_total');
      await recordRefusal(request, error, address, options);
      throw new CallError(status.UNAUTHENTICATED, refusedDetails);
    }
  };

  return {
    enroll: (call, callback) => {
      const address = hostOf(call.getPeer());
      const answer = turns(networkOf(address), () => tryOnce(call.request, address));
      (answer ?? Promise.reject(tooMany())).then(
        (response) => callback(null, response),
        (error) => {
          if (!(error instanceof CallError)) logger.error({ error }, 'an enrolment failed');
          callback(statusOf(error));
        },
      );
    },
  };
}

const tooMany = () =>
  new CallError(
    status.RESOURCE_EXHAUSTED,
    'too many refused enrolments from this address; wait one minute',
  );

async function enrol(request: EnrollRequest, options: EnrolmentOptions): Promise<EnrollResponse> {
  const { commands, issuer, clock } = options;
  const name = parseName<ClusterName>(request.clusterName);
  if (!name.ok) throw new RefusedError('request_invalid', `the cluster name ${name.error}`);
  const state = await commands.clusterState(name.value);
  if (state.status !== 'present') {
    throw new RefusedError('cluster_not_found', 'no cluster has this name');
  }
  const { joinToken, natsPublicKey } = request;
  if (joinToken.length > joinTokenCharactersMax || request.clusterUid.length > 64) {
    throw new RefusedError('request_invalid', 'the join token or the cluster uid is too long');
  }
  const at = clock.now();
  const target = { clusterId: state.id, clusterName: name.value };
  const certificate = await issue(request, { ...target, at }, issuer);
  const { serial, issuedAt, expiresAt, clusterKeyHash } = certificate;
  const outcome = await commands.cluster(
    name.value,
    {
      type: 'enrol',
      ...(joinToken === '' ? {} : { tokenHash: sha256(joinToken) }),
      clusterKeyHash,
      clusterUid: request.clusterUid,
      natsPublicKey,
      certificate: { serial, issuedAt, expiresAt },
      agentVersion: versionOf(request.agentVersion),
      claims: claimsOf(request.claims),
      at,
    },
    { kind: 'agent', name: state.id },
  );
  if (!outcome.ok) throw new RefusedError(outcome.error.code, outcome.error.detail ?? '');
  return { identity: await issuer.identity({ ...target, certificate, natsPublicKey }) };
}

async function issue(
  request: EnrollRequest,
  target: { clusterId: Parameters<IdentityIssuer['identity']>[0]['clusterId'] } & {
    clusterName: ClusterName;
    at: number;
  },
  issuer: IdentityIssuer,
) {
  try {
    requireUserPublicKey(request.natsPublicKey);
    return await issuer.certificate({ csrDer: request.certificateSigningRequest, ...target });
  } catch (error) {
    if (!(error instanceof RequestInvalidError)) throw error;
    throw new RefusedError('request_invalid', error.message);
  }
}

const recordable: Readonly<Record<EnrolmentRefusal, true>> = {
  token_unknown: true,
  token_used: true,
  token_expired: true,
  cluster_revoked: true,
  cluster_not_found: true,
  cluster_key_unknown: true,
  cluster_uid_differs: true,
  request_invalid: true,
};

async function recordRefusal(
  request: EnrollRequest,
  refusal: RefusedError,
  address: string,
  { commands, logger }: EnrolmentOptions,
): Promise<void> {
  const name = parseName<ClusterName>(request.clusterName);
  const clusterName = name.ok ? name.value : '';
  const { code, message } = refusal;
  logger.warn({ clusterName, address, code, reason: message }, 'refused an enrolment');
  // A name that no cluster has gets no history: guessing names must not grow the log.
  if (!name.ok || code === 'cluster_not_found' || !Object.hasOwn(recordable, code)) return;
  await commands.cluster(
    name.value,
    { type: 'record-refused-enrolment', code: code as EnrolmentRefusal, address },
    { kind: 'hub', name: 'agent-link' },
  );
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The address of `address:port`, as the call names its peer. */
export const hostOf = (peer: string): string => peer.slice(0, Math.max(0, peer.lastIndexOf(':')));

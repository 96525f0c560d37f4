import type { RenewRequest, RenewResponse } from '@fairlead/proto';
import { status } from '@grpc/grpc-js';
import { RequestInvalidError } from '../auth/ca/index.ts';
import { CallError, type Peer } from './call.ts';
import {
  type IdentityIssuer,
  invalidArgument,
  requireUserPublicKey,
  versionOf,
} from './identity.ts';
import type { ClusterCommands } from './ports.ts';

/**
 * Issues the next identity for the same cluster key. The serial that asked stays good until the next one is used, so an
 * answer that never arrives changes nothing for the agent.
 */
export async function renew(
  request: RenewRequest,
  peer: Peer,
  options: { commands: ClusterCommands; issuer: IdentityIssuer; at: number },
): Promise<RenewResponse> {
  const { commands, issuer, at } = options;
  const { clusterId, clusterName } = peer;
  const { natsPublicKey } = request;
  try {
    requireUserPublicKey(natsPublicKey);
    const certificate = await issuer.certificate({
      csrDer: request.certificateSigningRequest,
      clusterId,
      clusterName,
      at,
    });
    const { serial, issuedAt, expiresAt, clusterKeyHash } = certificate;
    const outcome = await commands.cluster(
      clusterName,
      {
        type: 'renew',
        clusterKeyHash,
        serial: peer.serial,
        natsPublicKey,
        certificate: { serial, issuedAt, expiresAt },
        agentVersion: versionOf(request.agentVersion),
        at,
      },
      { kind: 'agent', name: clusterId },
    );
    if (!outcome.ok) {
      throw new CallError(status.UNAUTHENTICATED, outcome.error.detail ?? outcome.error.code);
    }
    return {
      identity: await issuer.identity({ clusterId, clusterName, certificate, natsPublicKey }),
    };
  } catch (error) {
    throw error instanceof RequestInvalidError ? invalidArgument(error) : error;
  }
}

import type { Identity } from '@fairlead/proto';
import type { ClusterId, ClusterName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import { status } from '@grpc/grpc-js';
import {
  type CertificateAuthority,
  type IssuedClusterCertificate,
  RequestInvalidError,
} from '../auth/ca/index.ts';
import { isUserPublicKey, type NatsAccounts } from '../auth/nats-accounts/index.ts';
import {
  beatIntervalMs,
  claimCharactersMax,
  claimsMax,
  reconnectSpreadMsMax,
  reconnectSpreadMsMin,
  reconnectSpreadPerClusterMs,
  versionCharactersMax,
} from '../limits.ts';
import { CallError } from './call.ts';

export type IdentityIssuer = {
  /** Throws `RequestInvalidError`. What it gives counts only once it is on record. */
  readonly certificate: (request: {
    csrDer: Uint8Array;
    clusterId: ClusterId;
    clusterName: ClusterName;
    at: Instant;
  }) => Promise<IssuedClusterCertificate>;
  /** Everything that an agent needs, for a certificate that is on record. */
  readonly identity: (request: {
    clusterId: ClusterId;
    clusterName: ClusterName;
    certificate: IssuedClusterCertificate;
    natsPublicKey: string;
  }) => Promise<Identity>;
};

export function createIdentityIssuer(options: {
  authority: CertificateAuthority;
  accounts: Pick<NatsAccounts, 'issueAgentUser'>;
  natsUrls: readonly string[];
  linkAddress: () => string;
  epoch: () => number | Promise<number>;
  clustersTotal: () => number;
}): IdentityIssuer {
  const { authority, accounts, natsUrls, linkAddress, epoch, clustersTotal } = options;
  return {
    certificate: authority.issueClusterCertificate,
    identity: async ({ clusterId, clusterName, certificate, natsPublicKey }) => ({
      clusterId,
      clusterName,
      certificatePem: certificate.certificatePem,
      serial: certificate.serial,
      issuedAtMs: certificate.issuedAt,
      expiresAtMs: certificate.expiresAt,
      caPem: authority.caPem,
      natsUserJwt: await accounts.issueAgentUser({
        clusterId,
        publicKey: natsPublicKey,
        expiresAt: certificate.expiresAt,
      }),
      natsUrls: [...natsUrls],
      linkAddress: linkAddress(),
      beatIntervalMs,
      epoch: await epoch(),
      reconnectSpreadMs: Math.min(
        Math.max(clustersTotal() * reconnectSpreadPerClusterMs, reconnectSpreadMsMin),
        reconnectSpreadMsMax,
      ),
    }),
  };
}

/** What an agent says of itself, cut to its limits: shown to people, and never used to decide. */
export const claimsOf = (claims: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(claims)
      .slice(0, claimsMax)
      .map(([key, value]) => [
        key.slice(0, claimCharactersMax),
        value.slice(0, claimCharactersMax),
      ]),
  );

export const versionOf = (text: string): string => text.slice(0, versionCharactersMax);

export function requireUserPublicKey(text: string): void {
  if (!isUserPublicKey(text)) {
    throw new RequestInvalidError('the NATS key is not the public key of a user');
  }
}

/** The caller may learn what is wrong with its own request. */
export const invalidArgument = (error: RequestInvalidError): CallError =>
  new CallError(status.INVALID_ARGUMENT, error.message);

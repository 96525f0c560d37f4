import type { PeerCertificate as TlsPeerCertificate } from 'node:tls';
import { type ClusterId, parseClusterId } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Instant } from '@fairlead/shared/time';

/** Who is at the other end of a TLS connection whose chain was verified against the hub's authority. */
export type PeerCertificate = {
  readonly clusterId: ClusterId;
  readonly serial: string;
  readonly expiresAt: Instant;
};

const uriPrefix = 'URI:fairlead://cluster/';

/** Serial numbers as the log has them: lower-case hex without leading zeros. */
export const serialOf = (text: string): string => text.toLowerCase().replace(/^0+(?=.)/, '');

/** Reads the cluster of a verified client certificate; exactly one name, of exactly the form that the hub issues. */
export function readPeerCertificate(
  certificate: TlsPeerCertificate | undefined,
): Result<PeerCertificate, string> {
  if (certificate === undefined || certificate.serialNumber === undefined) {
    return err('the connection has no client certificate');
  }
  const names = certificate.subjectaltname ?? '';
  if (!names.startsWith(uriPrefix)) return err('the client certificate names no cluster');
  // The id's alphabet has no comma, quote or space, so a second name or an escaped one cannot pass.
  const clusterId = parseClusterId(names.slice(uriPrefix.length));
  if (!clusterId.ok) return err('the client certificate names no cluster');
  const expiresAt = Date.parse(certificate.valid_to);
  if (Number.isNaN(expiresAt)) return err('the client certificate has no end');
  return ok({ clusterId: clusterId.value, serial: serialOf(certificate.serialNumber), expiresAt });
}

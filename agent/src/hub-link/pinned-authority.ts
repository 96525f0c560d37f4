import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { err, ok, type Result } from '@fairlead/shared/result';
import { linkCallMsMax } from '../limits.ts';

const pathLengthMax = 5;

/** `sha256:<hex>` over the SubjectPublicKeyInfo, as install manifests name an authority. */
export const keyHashOf = (certificate: X509Certificate): string =>
  `sha256:${createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')}`;

/**
 * Finds the authority with a pinned key in a chain that was presented without trust, and checks that the first
 * certificate really leads to it, that everything is valid now and that the host is the one that was called.
 */
export function findPinnedAuthority(
  chain: readonly X509Certificate[],
  pins: ReadonlySet<string>,
  host: string,
  nowMs: number,
): Result<X509Certificate, string> {
  const [leaf] = chain;
  const authority = chain.find((certificate) => pins.has(keyHashOf(certificate)));
  if (leaf === undefined || authority === undefined) {
    return err(
      'the hub presents no certificate with the pinned key; the install manifest is of another hub',
    );
  }
  if (!authority.ca || authority === leaf) return err('the pinned certificate is no authority');

  let current = leaf;
  const path = [current];
  while (current !== authority) {
    const below = current;
    const issuer = chain.find(
      (candidate) =>
        candidate.ca &&
        !path.includes(candidate) &&
        below.checkIssued(candidate) &&
        below.verify(candidate.publicKey),
    );
    if (issuer === undefined || path.length >= pathLengthMax) {
      return err('the certificate of the hub is not signed by the pinned authority');
    }
    current = issuer;
    path.push(current);
  }
  for (const certificate of path) {
    const { validFrom, validTo } = certificate;
    if (nowMs < Date.parse(validFrom) || nowMs > Date.parse(validTo)) {
      return err(
        `a certificate of the hub is valid from ${validFrom} to ${validTo}, and this machine's clock says ` +
          `${new Date(nowMs).toISOString()}`,
      );
    }
  }
  const named = isIP(host) !== 0 ? leaf.checkIP(host) : leaf.checkHost(host, { subject: 'never' });
  if (named === undefined) return err(`the certificate of the hub is not for ${host}`);
  return ok(authority);
}

/** The certificates that a server presents, leaf first. Nothing is trusted and nothing is sent. */
export function presentedChain(
  address: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Result<X509Certificate[], string>> {
  return new Promise((resolve) => {
    const socket = connect({
      ...address,
      ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    });
    const settle = (result: Result<X509Certificate[], string>): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(result);
    };
    const onAbort = (): void => settle(err('ended'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    socket.setTimeout(linkCallMsMax, () => settle(err(`no answer within ${linkCallMsMax} ms`)));
    socket.once('error', (error) => settle(err(error.message)));
    socket.once('secureConnect', () => {
      const chain: X509Certificate[] = [];
      const seen = new Set<string>();
      let certificate = socket.getPeerCertificate(true);
      while (certificate?.raw !== undefined && !seen.has(certificate.fingerprint256)) {
        seen.add(certificate.fingerprint256);
        chain.push(new X509Certificate(certificate.raw));
        certificate = certificate.issuerCertificate;
      }
      settle(ok(chain));
    });
  });
}

/** Splits `host:port`, with an IPv6 address in brackets. */
export function parseAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  return {
    host: address.slice(0, at).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(at + 1)),
  };
}

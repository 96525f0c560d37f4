import './reflect-metadata.ts';
import { Pkcs10CertificateRequest, type PublicKey } from '@peculiar/x509';
import { signingRequestBytesMax } from '../../limits.ts';

/** The certificate request cannot be used; the message says why and is safe to log. */
export class RequestInvalidError extends Error {
  override readonly name = 'RequestInvalidError';
}

const curves: readonly string[] = ['P-256', 'P-384'];

/**
 * Reads a PKCS#10 request (DER) and proves that its sender holds the private key. Only the key is used of it: subject
 * and extensions are the sender's wishes.
 */
export async function readSigningRequest(der: Uint8Array): Promise<PublicKey> {
  if (der.byteLength === 0) throw new RequestInvalidError('the certificate request is empty');
  if (der.byteLength > signingRequestBytesMax) {
    throw new RequestInvalidError(
      `the certificate request has ${der.byteLength} bytes; at most ${signingRequestBytesMax} are read`,
    );
  }
  const { request, valid } = await verifyRequest(der);
  if (!valid) {
    throw new RequestInvalidError('the certificate request is not signed by its own key');
  }
  const algorithm = request.publicKey.algorithm as { name: string; namedCurve?: string };
  if (algorithm.name !== 'ECDSA' || !curves.includes(algorithm.namedCurve ?? '')) {
    throw new RequestInvalidError('the cluster key must be ECDSA on P-256 or P-384');
  }
  return request.publicKey;
}

async function verifyRequest(der: Uint8Array) {
  try {
    const request = new Pkcs10CertificateRequest(Uint8Array.from(der));
    return { request, valid: await request.verify() };
  } catch {
    throw new RequestInvalidError('the certificate request is not PKCS#10 in DER');
  }
}

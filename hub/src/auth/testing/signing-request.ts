// Loaded first, because it brings what the certificate library needs at its own load.
import '../ca/index.ts';
import { createHash, webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509';

/** An agent's certificate request, for tests: what an agent makes of its cluster key. */
export async function signingRequest(options: {
  subject?: string;
  names?: readonly string[];
  curve?: 'P-256' | 'P-384' | 'P-521';
  keys?: webcrypto.CryptoKeyPair;
}) {
  const algorithm = { name: 'ECDSA', namedCurve: options.curve ?? 'P-256' };
  const crypto = webcrypto;
  const keys =
    options.keys ?? (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']));
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: options.subject ?? 'CN=agent',
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        new SubjectAlternativeNameExtension(
          (options.names ?? []).map((value) => ({ type: 'dns', value })),
        ),
      ],
    },
    crypto,
  );
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  return {
    keys,
    der: new Uint8Array(request.rawData),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`,
    keyHash: createHash('sha256').update(Buffer.from(request.publicKey.rawData)).digest('hex'),
  };
}

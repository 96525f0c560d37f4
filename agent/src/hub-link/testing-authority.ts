// A hub's authority for tests: makes what a hub would issue, and what an attacker would like it to issue.
import { createHash, webcrypto } from 'node:crypto';

// @peculiar/x509 asks for decorator metadata when it is loaded.
const metadata = new WeakMap<object, Map<string, unknown>>();
Object.assign(Reflect, {
  getOwnMetadata: (key: string, target: object) => metadata.get(target)?.get(key),
  getMetadata: (key: string, target: object) => metadata.get(target)?.get(key),
  defineMetadata: (key: string, value: unknown, target: object) => {
    metadata.set(target, (metadata.get(target) ?? new Map()).set(key, value));
  },
});
const x509 = await import('@peculiar/x509');

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;
const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
const pemOf = async (key: webcrypto.CryptoKey): Promise<string> => {
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
};

export type Validity = { readonly from?: number; readonly to?: number };
export type TestAuthority = Awaited<ReturnType<typeof createTestAuthority>>;

export async function createTestAuthority(validity: Validity = {}, isAuthority = true) {
  const keys = await newKeys();
  const times = ({ from = -60_000, to = 3_600_000 }: Validity) => ({
    notBefore: new Date(Date.now() + from),
    notAfter: new Date(Date.now() + to),
  });
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=Test hub',
      keys,
      signingAlgorithm,
      ...times(validity),
      extensions: [new x509.BasicConstraintsExtension(isAuthority, undefined, true)],
    },
    webcrypto,
  );
  const caPem = certificate.toString('pem');
  const spki = Buffer.from(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  let serials = 0;

  const sign = async (
    subject: string,
    publicKey: Parameters<typeof x509.X509CertificateGenerator.create>[0]['publicKey'],
    leafValidity: Validity,
    extensions: InstanceType<typeof x509.Extension>[],
  ): Promise<{ pem: string; serial: string }> => {
    const serialNumber = (++serials).toString(16).padStart(8, '0');
    const issued = await x509.X509CertificateGenerator.create(
      {
        serialNumber,
        subject,
        issuer: certificate.subject,
        publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm,
        ...times(leafValidity),
        extensions,
      },
      webcrypto,
    );
    return { pem: issued.toString('pem'), serial: serialNumber };
  };

  return {
    caPem,
    caKeyHash: `sha256:${createHash('sha256').update(spki).digest('hex')}`,
    /** The authority's own key and certificate, as a server that has nothing else would present them. */
    own: async () => ({ keyPem: await pemOf(keys.privateKey), chainPem: caPem }),
    server: async (hosts: readonly string[], leafValidity: Validity = {}) => {
      const leafKeys = await newKeys();
      const names = hosts.map((value) => ({
        type: /^[\d.]+$/.test(value) ? ('ip' as const) : ('dns' as const),
        value,
      }));
      const { pem } = await sign('CN=hub', leafKeys.publicKey, leafValidity, [
        new x509.SubjectAlternativeNameExtension(names),
      ]);
      return { keyPem: await pemOf(leafKeys.privateKey), chainPem: `${pem}\n${caPem}` };
    },
    /** Refuses a request whose signature is not its own key's. */
    client: async (requestDer: Uint8Array, lifetimeMs: number) => {
      const request = new x509.Pkcs10CertificateRequest(new Uint8Array(requestDer));
      if (!(await request.verify(webcrypto))) throw new Error('the request is not signed');
      const { pem, serial } = await sign('CN=cluster', request.publicKey, { to: lifetimeMs }, []);
      const keyHash = createHash('sha256').update(Buffer.from(request.publicKey.rawData));
      return { pem, serial, keyHash: keyHash.digest('hex') };
    },
  };
}

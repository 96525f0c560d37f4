// An API server of a few lines for tests that need one that misbehaves: real HTTPS on loopback, answers by the test.
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export type FakeApiServer = AsyncDisposable & { readonly kubeconfigPath: string };

export async function startFakeApiServer(
  directory: string,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<FakeApiServer> {
  const { keyPem, certificatePem } = await selfSigned();
  const server = createServer({ key: keyPem, cert: certificatePem }, onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const kubeconfigPath = join(directory, 'kubeconfig');
  const ca = Buffer.from(certificatePem).toString('base64');
  writeFileSync(
    kubeconfigPath,
    `current-context: fake
contexts: [{name: fake, context: {cluster: fake, user: fake}}]
clusters: [{name: fake, cluster: {server: "https://127.0.0.1:${port}", certificate-authority-data: ${ca}}}]
users: [{name: fake, user: {token: test}}]
`,
  );
  return {
    kubeconfigPath,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function selfSigned() {
  // The library asks for decorator metadata when it is loaded.
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
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=Fake API server',
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]),
      ],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return {
    certificatePem: certificate.toString('pem'),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`,
  };
}

import type { Logger } from '@fairlead/shared/log';
import type { Clock } from '@fairlead/shared/time';
import type { experimental } from '@grpc/grpc-js';
import type { CertificateAuthority, ServerCertificate } from '../auth/ca/index.ts';
import { certificateCheckIntervalMs } from '../limits.ts';

type Provider = experimental.CertificateProvider;

export type HubCertificates = { readonly provider: Provider; readonly close: () => void };

/** The listeners' certificate, renewed at two thirds of its life and used by the next handshake without a restart. */
export async function createHubCertificates(options: {
  authority: Pick<CertificateAuthority, 'issueServerCertificate' | 'caPem'>;
  hosts: readonly string[];
  clock: Clock;
  logger: Logger;
  certificateCheckIntervalMs?: number;
}): Promise<HubCertificates> {
  const { authority, hosts, clock, logger } = options;
  const listeners = new Set<Parameters<Provider['addIdentityCertificateListener']>[0]>();
  let current = await authority.issueServerCertificate({ hosts, at: clock.now() });

  const renewal = setInterval(async () => {
    const age = clock.now() - current.issuedAt;
    if (age < ((current.expiresAt - current.issuedAt) * 2) / 3) return;
    try {
      current = await authority.issueServerCertificate({ hosts, at: clock.now() });
      for (const listener of listeners) listener(identityOf(current));
      logger.info({ expiresAt: current.expiresAt }, "renewed the agent link's certificate");
    } catch (error) {
      logger.error({ error }, "cannot renew the agent link's certificate");
    }
  }, options.certificateCheckIntervalMs ?? certificateCheckIntervalMs);
  renewal.unref();

  return {
    provider: {
      // The library registers for the outcome only after it has called these, so the answer must come later.
      addCaCertificateListener: (listener) =>
        queueMicrotask(() => listener({ caCertificate: Buffer.from(authority.caPem) })),
      removeCaCertificateListener: () => undefined,
      addIdentityCertificateListener: (listener) => {
        listeners.add(listener);
        queueMicrotask(() => listener(identityOf(current)));
      },
      removeIdentityCertificateListener: (listener) => {
        listeners.delete(listener);
      },
    },
    close: () => clearInterval(renewal),
  };
}

const identityOf = (certificate: ServerCertificate) => ({
  certificate: Buffer.from(certificate.certificatePem),
  privateKey: Buffer.from(certificate.keyPem),
});

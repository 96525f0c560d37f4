import './reflect-metadata.ts';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { ClusterId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import {
  authorityLifetimeMs,
  certificateBackdateMs,
  clusterCertificateLifetimeMs,
  serverCertificateLifetimeMs,
} from '../../limits.ts';
import { createPrivateFile, readPrivateFile } from '../private-file/index.ts';
import { serialOf } from './peer-certificate.ts';
import { readSigningRequest } from './signing-request.ts';

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const;
const crypto = webcrypto;

export type IssuedClusterCertificate = {
  /** Leaf only: agents trust the authority itself. */
  readonly certificatePem: string;
  readonly serial: string;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
  /** SHA-256 of the cluster key's SubjectPublicKeyInfo, in hex. */
  readonly clusterKeyHash: string;
};

export type ServerCertificate = {
  readonly keyPem: string;
  /** Leaf, then the authority: an agent that enrols finds the pinned key in the chain. */
  readonly certificatePem: string;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
};

export type CertificateAuthority = {
  /** PEM of every authority to trust, the newest first. */
  readonly caPem: string;
  /** `sha256:<hex>` of the authority's SubjectPublicKeyInfo, for install manifests. */
  readonly caKeyHash: string;
  /** Throws `RequestInvalidError` when the request cannot be used. */
  readonly issueClusterCertificate: (request: {
    csrDer: Uint8Array;
    clusterId: ClusterId;
    clusterName: string;
    at: Instant;
  }) => Promise<IssuedClusterCertificate>;
  /** A new key and certificate for host names and addresses. */
  readonly issueServerCertificate: (request: {
    hosts: readonly string[];
    at: Instant;
  }) => Promise<ServerCertificate>;
};

export type CertificateAuthorityOptions = {
  readonly directory: string;
  readonly at: Instant;
  readonly clusterCertificateLifetimeMs?: number;
  readonly serverCertificateLifetimeMs?: number;
};

/** Opens the authority kept in `directory`, and makes it at the first start. */
export async function openCertificateAuthority(
  options: CertificateAuthorityOptions,
): Promise<CertificateAuthority> {
  const path = join(options.directory, 'certificate-authority.pem');
  const stored =
    (await readPrivateFile(path)) ?? (await createPrivateFile(path, await makeAuthority(options)));
  const { key, certificate } = await parseAuthority(stored, path);
  const clusterLifetimeMs = options.clusterCertificateLifetimeMs ?? clusterCertificateLifetimeMs;
  const serverLifetimeMs = options.serverCertificateLifetimeMs ?? serverCertificateLifetimeMs;

  const sign = async (leaf: {
    subject: string;
    publicKey: PublicKey | webcrypto.CryptoKey;
    at: Instant;
    lifetimeMs: number;
    extensions: Extension[];
  }) => {
    // X.509 times have whole seconds; what is on record must be what the certificate says.
    const expiresAt = Math.floor((leaf.at + leaf.lifetimeMs) / 1_000) * 1_000;
    const issued = await X509CertificateGenerator.create(
      {
        serialNumber: newSerial(),
        subject: leaf.subject,
        issuer: certificate.subject,
        notBefore: new Date(leaf.at - certificateBackdateMs),
        notAfter: new Date(expiresAt),
        publicKey: leaf.publicKey,
        signingKey: key,
        signingAlgorithm,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          await AuthorityKeyIdentifierExtension.create(certificate.publicKey, false, crypto),
          ...leaf.extensions,
        ],
      },
      crypto,
    );
    return { issued, expiresAt };
  };

  return {
    caPem: pemOf(certificate),
    caKeyHash: `sha256:${keyHash(certificate.publicKey)}`,

    issueClusterCertificate: async ({ csrDer, clusterId, clusterName, at }) => {
      const publicKey = await readSigningRequest(csrDer);
      const { issued, expiresAt } = await sign({
        subject: `CN=${clusterId}, OU=${clusterName}, O=fairlead cluster`,
        publicKey,
        at,
        lifetimeMs: clusterLifetimeMs,
        extensions: [
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth], true),
          new SubjectAlternativeNameExtension([
            { type: 'url', value: `fairlead://cluster/${clusterId}` },
          ]),
        ],
      });
      return {
        certificatePem: pemOf(issued),
        serial: serialOf(issued.serialNumber),
        issuedAt: at,
        expiresAt,
        clusterKeyHash: keyHash(publicKey),
      };
    },

    issueServerCertificate: async ({ hosts, at }) => {
      const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
      const { issued, expiresAt } = await sign({
        subject: 'CN=fairlead hub',
        publicKey: keys.publicKey,
        at,
        lifetimeMs: serverLifetimeMs,
        extensions: [
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth], true),
          new SubjectAlternativeNameExtension(
            hosts.map((host) => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host })),
          ),
        ],
      });
      return {
        keyPem: await privateKeyPem(keys.privateKey),
        certificatePem: `${pemOf(issued)}${pemOf(certificate)}`,
        issuedAt: at,
        expiresAt,
      };
    },
  };
}

async function makeAuthority({ at }: CertificateAuthorityOptions): Promise<string> {
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: `CN=fairlead hub authority ${randomBytes(4).toString('hex')}`,
      notBefore: new Date(at - certificateBackdateMs),
      notAfter: new Date(at + authorityLifetimeMs),
      keys,
      signingAlgorithm,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  );
  return `${await privateKeyPem(keys.privateKey)}${pemOf(certificate)}`;
}

async function parseAuthority(stored: string, path: string) {
  const blocks = [...stored.matchAll(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g)];
  const keyBlock = blocks.find(([, label]) => label === 'PRIVATE KEY')?.[0];
  const certificateBlock = blocks.find(([, label]) => label === 'CERTIFICATE')?.[0];
  if (keyBlock === undefined || certificateBlock === undefined) {
    throw new Error(
      `${path} is not a private key and a certificate. Restore it from a backup; without it every agent must enrol again.`,
    );
  }
  const der = Buffer.from(keyBlock.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  return {
    key: await crypto.subtle.importKey('pkcs8', der, keyAlgorithm, false, ['sign']),
    certificate: new X509Certificate(certificateBlock),
  };
}

/** 128 bits, of which the first is 0 and the second 1: positive, and never with a leading zero byte. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

const keyHash = (key: PublicKey): string =>
  createHash('sha256').update(Buffer.from(key.rawData)).digest('hex');

const pemOf = (certificate: X509Certificate): string => `${certificate.toString('pem').trim()}\n`;

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterId } from '@fairlead/shared/ids';
import { describe, expect, test } from 'vitest';
import { signingRequest } from '../testing/index.ts';
import { openCertificateAuthority, RequestInvalidError } from './index.ts';

const at = Date.UTC(2026, 0, 15, 12);
const clusterId = '0123456789abcdefghjkmnpqrs' as ClusterId;
const newDirectory = () => mkdtemp(join(tmpdir(), 'fairlead-ca-'));

describe('the certificate authority', () => {
  test('is made at the first start, kept private, and the same at the next', async () => {
    const directory = await newDirectory();
    const first = await openCertificateAuthority({ directory, at });
    const second = await openCertificateAuthority({ directory, at: at + 1 });
    expect(second.caPem).toBe(first.caPem);
    expect(first.caKeyHash).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await readdir(directory)).toEqual(['certificate-authority.pem']);
    const { mode } = await stat(join(directory, 'certificate-authority.pem'));
    expect(mode & 0o777).toBe(0o600);
  });

  test('is one even when two processes start at the same moment', async () => {
    const directory = await newDirectory();
    const opened = await Promise.all(
      Array.from({ length: 5 }, () => openCertificateAuthority({ directory, at })),
    );
    expect(new Set(opened.map((authority) => authority.caKeyHash)).size).toBe(1);
  });

  test('decides subject and names, whatever the request asks for', async () => {
    const authority = await openCertificateAuthority({ directory: await newDirectory(), at });
    const request = await signingRequest({ subject: 'CN=somebody else', names: ['evil.test'] });
    const issued = await authority.issueClusterCertificate({
      csrDer: request.der,
      clusterId,
      clusterName: 'edge-1',
      at,
    });
    const certificate = new X509Certificate(issued.certificatePem);
    expect(certificate.subject).toContain(`CN=${clusterId}`);
    expect(certificate.subject).not.toContain('somebody else');
    expect(certificate.subjectAltName).toBe(`URI:fairlead://cluster/${clusterId}`);
    expect(certificate.serialNumber.toLowerCase()).toBe(issued.serial);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(certificate.ca).toBe(false);
    expect(certificate.verify(new X509Certificate(authority.caPem).publicKey)).toBe(true);
    expect(issued.clusterKeyHash).toBe(request.keyHash);
  });

  test('S8: a certificate is valid from 60 s before its issue until 24 h after', async () => {
    const authority = await openCertificateAuthority({ directory: await newDirectory(), at });
    const { der } = await signingRequest({});
    const issued = await authority.issueClusterCertificate({
      csrDer: der,
      clusterId,
      clusterName: 'edge-1',
      at,
    });
    const certificate = new X509Certificate(issued.certificatePem);
    expect(Date.parse(certificate.validFrom)).toBe(at - 60_000);
    expect(Date.parse(certificate.validTo)).toBe(at + 24 * 3_600_000);
    expect(issued.expiresAt).toBe(at + 24 * 3_600_000);
  });

  test('names every host and address in a server certificate', async () => {
    const authority = await openCertificateAuthority({ directory: await newDirectory(), at });
    const server = await authority.issueServerCertificate({
      hosts: ['hub.example.test', '127.0.0.1', '::1'],
      at,
    });
    const certificate = new X509Certificate(server.certificatePem);
    expect(certificate.checkHost('hub.example.test')).toBe('hub.example.test');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.checkIP('::1')).toBe('::1');
    expect(server.certificatePem).toContain(authority.caPem);
  });

  test('S1: refuses requests that are empty, huge, not DER, or signed by another key', async () => {
    const authority = await openCertificateAuthority({ directory: await newDirectory(), at });
    const { der } = await signingRequest({});
    const tampered = Uint8Array.from(der);
    tampered[tampered.length - 1] = (tampered[tampered.length - 1] ?? 0) ^ 1;
    for (const csrDer of [
      new Uint8Array(),
      new Uint8Array(20_000),
      Buffer.from('not a request'),
      der.subarray(0, der.length - 10),
      tampered,
      (await signingRequest({ curve: 'P-521' })).der,
    ]) {
      await expect(
        authority.issueClusterCertificate({ csrDer, clusterId, clusterName: 'edge-1', at }),
      ).rejects.toThrow(RequestInvalidError);
    }
  });
});

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { err, ok, type Result } from '@fairlead/shared/result';
import { readSsh, SshFormatError, type SshReader } from './ssh-wire.ts';

export type SshKey = {
  /** As `ssh-keygen -l` shows it: `SHA256:…`. */
  readonly fingerprint: string;
  /** Whether the signature blob is this key's over the data. */
  readonly verifies: (data: Buffer, signature: Buffer) => boolean;
};

/** RSA below this is refused, as NIST SP 800-131A and today's OpenSSH tools advise. */
const rsaBitsMin = 2_048;
/** Of a security key: somebody touched it. */
const userPresent = 0x01;

const curves: Readonly<Record<string, { curve: string; hash: string; bytes: number }>> = {
  nistp256: { curve: 'P-256', hash: 'sha256', bytes: 32 },
  nistp384: { curve: 'P-384', hash: 'sha384', bytes: 48 },
  nistp521: { curve: 'P-521', hash: 'sha512', bytes: 66 },
};

/** Reads a public key in SSH's binary format (RFC 4253 §6.6, RFC 5656, RFC 8709, OpenSSH's PROTOCOL.u2f). */
export function readSshKey(blob: Buffer): Result<SshKey, string> {
  try {
    const reader = readSsh(blob);
    const type = reader.text();
    const verifies = verifierOf(type, reader);
    if (typeof verifies === 'string') return err(verifies);
    const digest = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
    return ok({ fingerprint: `SHA256:${digest}`, verifies: quietly(verifies) });
  } catch (error) {
    if (error instanceof SshFormatError) return err(error.message);
    // Node's own words of a point that is not on its curve and the like.
    return err('is no valid key');
  }
}

type Verify = SshKey['verifies'];

/** A signature that cannot even be read is none. */
const quietly =
  (verifies: Verify): Verify =>
  (data, signature) => {
    try {
      return verifies(data, signature);
    } catch {
      return false;
    }
  };

function verifierOf(type: string, reader: SshReader): Verify | string {
  switch (type) {
    case 'ssh-ed25519':
      return ed25519(ed25519Key(reader, true), type);
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return ecdsa(reader, type, true);
    case 'ssh-rsa':
      return rsa(reader);
    case 'sk-ssh-ed25519@openssh.com':
      return securityKey(reader, ed25519Key(reader, false), type);
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return securityKey(reader, ecdsaKey(reader, 'nistp256'), type);
    default:
      return type.includes('-cert-')
        ? 'is a certificate; only plain keys are supported'
        : `has the unsupported type ${JSON.stringify(type.slice(0, 60))}`;
  }
}

const base64url = (bytes: Buffer): string => bytes.toString('base64url');

function ed25519Key(reader: SshReader, isLast: boolean): KeyObject {
  const x = reader.string();
  if (isLast) reader.end();
  if (x.length !== 32) throw new SshFormatError('the key has a wrong length');
  return createPublicKey({
    format: 'jwk',
    key: { kty: 'OKP', crv: 'Ed25519', x: base64url(x) },
  });
}

const ed25519 =
  (key: KeyObject, type: string): Verify =>
  (data, signature) => {
    const reader = readSsh(signature);
    if (reader.text() !== type) return false;
    const value = reader.string();
    reader.end();
    return verify(null, data, key, value);
  };

function ecdsaKey(reader: SshReader, name: string): KeyObject {
  const { curve, bytes } = curves[name] as (typeof curves)[string];
  if (reader.text() !== name) throw new SshFormatError('the key names two curves');
  const point = reader.string();
  if (point.length !== 1 + 2 * bytes || point[0] !== 4) {
    throw new SshFormatError('the key is no uncompressed point');
  }
  return createPublicKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: curve,
      x: base64url(point.subarray(1, 1 + bytes)),
      y: base64url(point.subarray(1 + bytes)),
    },
  });
}

function ecdsa(reader: SshReader, type: string, isLast: boolean): Verify {
  const name = type.slice('ecdsa-sha2-'.length);
  const key = ecdsaKey(reader, name);
  if (isLast) reader.end();
  const { hash, bytes } = curves[name] as (typeof curves)[string];
  return (data, signature) => {
    const read = readSsh(signature);
    if (read.text() !== type) return false;
    const value = ecdsaValue(read.string(), bytes);
    read.end();
    return verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, value);
  };
}

/** The two integers, each filled up to the size of the curve. */
function ecdsaValue(blob: Buffer, bytes: number): Buffer {
  const reader = readSsh(blob);
  const parts = [reader.integer(), reader.integer()];
  reader.end();
  return Buffer.concat(
    parts.map((part) => {
      if (part.length > bytes) throw new SshFormatError('an integer is too large');
      return Buffer.concat([Buffer.alloc(bytes - part.length), part]);
    }),
  );
}

/** `ssh-rsa` names the key only: as the algorithm of a signature it means SHA-1, which is refused. */
function rsa(reader: SshReader): Verify | string {
  const e = reader.integer();
  const n = reader.integer();
  reader.end();
  const key = createPublicKey({
    format: 'jwk',
    key: { kty: 'RSA', n: base64url(n), e: base64url(e) },
  });
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < rsaBitsMin)
    return `is an RSA key of ${bits} bits; it must have at least ${rsaBitsMin}`;
  const hashes: Readonly<Record<string, string>> = {
    'rsa-sha2-256': 'sha256',
    'rsa-sha2-512': 'sha512',
  };
  return (data, signature) => {
    const read = readSsh(signature);
    const hash = hashes[read.text()];
    const value = read.string();
    read.end();
    return hash !== undefined && verify(hash, data, key, value);
  };
}

/** A FIDO token signs the digests of its application and of the data, with its flags and counter in between. */
function securityKey(reader: SshReader, key: KeyObject, type: string): Verify {
  const application = reader.string();
  reader.end();
  return (data, signature) => {
    const read = readSsh(signature);
    if (read.text() !== type) return false;
    const blob = read.string();
    const flags = read.bytes(1);
    const counter = read.bytes(4);
    read.end();
    if (((flags[0] ?? 0) & userPresent) === 0) return false;
    const digest = (value: Buffer) => createHash('sha256').update(value).digest();
    const signed = Buffer.concat([digest(application), flags, counter, digest(data)]);
    if (key.asymmetricKeyType === 'ed25519') return verify(null, signed, key, blob);
    return verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, ecdsaValue(blob, 32));
  };
}

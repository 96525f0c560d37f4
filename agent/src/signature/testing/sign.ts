// Signs commits for tests: SSH signatures as OpenSSH writes them, by keys made on the spot, and OpenPGP ones by its library.
import {
  createHash,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto';
import type { PrivateKey } from 'openpgp';
import { sshString } from '../ssh-wire.ts';

export type SshKeyType = 'ed25519' | 'nistp256' | 'nistp384' | 'nistp521' | 'rsa' | 'sk-ed25519';

export type SshSigningKey = {
  /** `type base64`, as in a `.pub` file. */
  readonly publicLine: string;
  readonly sign: (payload: Buffer, options?: SshSignOptions) => string;
};

export type SshSignOptions = {
  readonly namespace?: string;
  readonly hash?: string;
  /** Another algorithm in the signature than the key's own. */
  readonly algorithm?: string;
  /** Flags of a security key; 1 says that somebody touched it. */
  readonly flags?: number;
};

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const integer = (bytes: Buffer): Buffer =>
  sshString((bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
const fromBase64 = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url');
const skApplication = 'ssh:';

export function sshSigningKey(type: SshKeyType, rsaBits = 3_072): SshSigningKey {
  const { privateKey, publicKey } = keyPair(type, rsaBits);
  const jwk = publicKey.export({ format: 'jwk' });
  const name = nameOf(type);
  const blob = Buffer.concat([sshString(name), keyFields(type, jwk)]);
  return {
    publicLine: `${name} ${blob.toString('base64')}`,
    sign: (payload, options = {}) => {
      const { namespace = 'git', hash = 'sha512' } = options;
      const digest = createHash(hash).update(payload).digest();
      const data = Buffer.concat([
        Buffer.from('SSHSIG'),
        ...[namespace, '', hash, digest].map((field) => sshString(field)),
      ]);
      const fields = [blob, namespace, '', hash, signatureBlob(type, privateKey, data, options)];
      const body = Buffer.concat([Buffer.from('SSHSIG'), uint32(1), ...fields.map(sshString)]);
      const lines = body.toString('base64').match(/.{1,70}/g) ?? [];
      return `-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----`;
    },
  };
}

function keyPair(type: SshKeyType, modulusLength: number) {
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength });
  if (type === 'ed25519' || type === 'sk-ed25519') return generateKeyPairSync('ed25519');
  const namedCurve = { nistp256: 'P-256', nistp384: 'P-384', nistp521: 'P-521' }[type];
  return generateKeyPairSync('ec', { namedCurve });
}

const nameOf = (type: SshKeyType): string =>
  ({
    ed25519: 'ssh-ed25519',
    nistp256: 'ecdsa-sha2-nistp256',
    nistp384: 'ecdsa-sha2-nistp384',
    nistp521: 'ecdsa-sha2-nistp521',
    rsa: 'ssh-rsa',
    'sk-ed25519': 'sk-ssh-ed25519@openssh.com',
  })[type];

function keyFields(type: SshKeyType, { x, y, n, e }: JsonWebKey): Buffer {
  if (type === 'rsa') return Buffer.concat([integer(fromBase64(e)), integer(fromBase64(n))]);
  if (type === 'ed25519') return sshString(fromBase64(x));
  if (type === 'sk-ed25519') {
    return Buffer.concat([sshString(fromBase64(x)), sshString(skApplication)]);
  }
  const point = Buffer.concat([Buffer.from([4]), fromBase64(x), fromBase64(y)]);
  return Buffer.concat([sshString(type), sshString(point)]);
}

function signatureBlob(
  type: SshKeyType,
  key: KeyObject,
  data: Buffer,
  { algorithm, flags = 1 }: SshSignOptions,
): Buffer {
  switch (type) {
    case 'ed25519':
      return Buffer.concat([
        sshString(algorithm ?? 'ssh-ed25519'),
        sshString(sign(null, data, key)),
      ]);
    case 'sk-ed25519': {
      const digest = (value: Buffer | string) => createHash('sha256').update(value).digest();
      const tail = Buffer.concat([Buffer.from([flags]), uint32(7)]);
      const signed = Buffer.concat([digest(skApplication), tail, digest(data)]);
      const value = sshString(sign(null, signed, key));
      return Buffer.concat([sshString('sk-ssh-ed25519@openssh.com'), value, tail]);
    }
    case 'rsa': {
      const name = algorithm ?? 'rsa-sha2-512';
      const hash = { 'ssh-rsa': 'sha1', 'rsa-sha2-256': 'sha256' }[name] ?? 'sha512';
      return Buffer.concat([sshString(name), sshString(sign(hash, data, key))]);
    }
    default: {
      const hash = { nistp256: 'sha256', nistp384: 'sha384', nistp521: 'sha512' }[type];
      const value = sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
      const half = value.length / 2;
      const stripped = (part: Buffer) => part.subarray(part.findIndex((byte) => byte !== 0));
      const parts = [value.subarray(0, half), value.subarray(half)].map(stripped).map(integer);
      return Buffer.concat([sshString(nameOf(type)), sshString(Buffer.concat(parts))]);
    }
  }
}

/** The commit object with the signature in its header, before the empty line as Git puts it. */
export function withSignature(payload: Buffer, signature: string, header = 'gpgsig'): Buffer {
  const end = payload.indexOf('\n\n') + 1;
  const lines = signature.replace(/\n$/, '').replaceAll('\n', '\n ');
  return Buffer.concat([
    payload.subarray(0, end),
    Buffer.from(`${header} ${lines}\n`),
    payload.subarray(end),
  ]);
}

export type OpenPgpSigningKey = { readonly privateKey: PrivateKey; readonly publicText: string };

export async function openPgpSigningKey(
  options: { readonly date?: Date; readonly lifetimeSeconds?: number } = {},
): Promise<OpenPgpSigningKey> {
  const { generateKey, readPrivateKey } = await import('openpgp');
  const { privateKey, publicKey } = await generateKey({
    userIDs: [{ name: 'Release Key', email: 'release@example.com' }],
    format: 'armored',
    ...(options.date ? { date: options.date } : {}),
    ...(options.lifetimeSeconds ? { keyExpirationTime: options.lifetimeSeconds } : {}),
  });
  return {
    privateKey: await readPrivateKey({ armoredKey: privateKey }),
    publicText: publicKey,
  };
}

export async function openPgpSign(
  payload: Buffer,
  signingKeys: readonly PrivateKey[],
  date?: Date,
): Promise<string> {
  const { createMessage, sign: signMessage } = await import('openpgp');
  const signature = await signMessage({
    message: await createMessage({ binary: new Uint8Array(payload) }),
    signingKeys: [...signingKeys],
    detached: true,
    ...(date ? { date } : {}),
  });
  return String(signature).replaceAll('\r\n', '\n').trimEnd();
}

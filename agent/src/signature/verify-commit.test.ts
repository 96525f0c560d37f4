import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type KeyFiles, readTrustedKeys, verifyCommit } from './index.ts';
import {
  openPgpSign,
  openPgpSigningKey,
  type SshKeyType,
  sshSigningKey,
  withSignature,
} from './testing/index.ts';

const second = 1_000;
const day = 86_400 * second;
const committedAt = Date.UTC(2026, 2, 1);
const now = committedAt + day;

const payloadOf = (message: string, atMs = committedAt): Buffer =>
  Buffer.from(
    `tree ${'a'.repeat(40)}\nparent ${'b'.repeat(40)}\n` +
      `author A <a@example.com> ${atMs / second} +0000\n` +
      `committer A <a@example.com> ${atMs / second} +0100\n\n${message}\n`,
  );
const payload = payloadOf('a release');

async function verdict(data: Buffer, files: KeyFiles, options: { at?: number; id?: number } = {}) {
  const keys = await readTrustedKeys(files);
  const verified = await verifyCommit(
    { data, idLength: options.id ?? 40 },
    keys,
    options.at ?? now,
  );
  return verified.ok ? `signed by ${verified.value.principal}` : verified.error;
}

const key = sshSigningKey('ed25519');
const other = sshSigningKey('ed25519');
const allowed = (options = '', signer = key): KeyFiles => ({
  allowed_signers: `# maintainers\nm@example.com ${options} ${signer.publicLine}\n`,
});
const signed = withSignature(payload, key.sign(payload));

describe('an SSH signature', () => {
  test.each<SshKeyType>(['ed25519', 'nistp256', 'nistp384', 'nistp521', 'rsa', 'sk-ed25519'])(
    'by a trusted %s key counts, with either digest, and for no other commit',
    async (type) => {
      const signer = sshSigningKey(type);
      for (const hash of ['sha256', 'sha512']) {
        const signature = signer.sign(payload, { hash });
        const files = allowed('', signer);
        expect(await verdict(withSignature(payload, signature), files)).toBe(
          'signed by m@example.com',
        );
        expect(await verdict(withSignature(payloadOf('another'), signature), files)).toMatch(
          /is not one of this commit$/,
        );
      }
    },
  );

  const wrong = (options: Parameters<typeof key.sign>[1], signer = key) =>
    withSignature(payload, signer.sign(payload, options));
  const touch = sshSigningKey('sk-ed25519');
  const rsa = sshSigningKey('rsa');
  const weak = sshSigningKey('rsa', 1_024);
  const mixed = Buffer.from(
    signed.toString('latin1').replace(/(-----END SSH SIGNATURE-----)/, '$1\n trailing'),
    'latin1',
  );

  test.each<[string, Buffer, KeyFiles, RegExp]>([
    ['without a signature', payload, allowed(), /^the commit is not signed$/],
    [
      'by an unknown key',
      withSignature(payload, other.sign(payload)),
      allowed(),
      /is not trusted$/,
    ],
    ['with no trusted key at all', signed, {}, /is not trusted$/],
    [
      'for another namespace',
      wrong({ namespace: 'file' }),
      allowed(),
      /for "file" and not for "git"/,
    ],
    [
      'with a weak digest',
      wrong({ hash: 'sha1' }),
      allowed(),
      /digest "sha1", which is not accepted/,
    ],
    [
      'by RSA with SHA-1',
      wrong({ algorithm: 'ssh-rsa' }, rsa),
      allowed('', rsa),
      /is not one of this/,
    ],
    ['by a short RSA key', wrong({}, weak), allowed('', weak), /RSA key of 1024 bits/],
    [
      'by a security key nobody touched',
      wrong({ flags: 0 }, touch),
      allowed('', touch),
      /is not one/,
    ],
    [
      'that names another algorithm',
      wrong({ algorithm: 'ssh-rsa' }),
      allowed(),
      /is not one of this/,
    ],
    ['followed by something', mixed, allowed(), /cannot be read/],
    [
      'in the header of the other digest',
      withSignature(payload, key.sign(payload), 'gpgsig-sha256'),
      allowed(),
      /not signed/,
    ],
    [
      'twice',
      withSignature(signed, key.sign(payload)),
      allowed(),
      /more than one signature header/,
    ],
    [
      'of an X.509 certificate',
      withSignature(payload, '-----BEGIN SIGNED MESSAGE-----\nAA=='),
      allowed(),
      /neither of SSH nor of OpenPGP/,
    ],
  ])('%s is refused', async (_, data, files, reason) => {
    expect(await verdict(data, files)).toMatch(reason);
  });

  test('does not cover a commit of which one byte was changed', async () => {
    for (const [index, byte] of payload.entries()) {
      const changed = Buffer.from(signed);
      // The header of the signature lies behind the payload's own headers.
      const place =
        index < payload.indexOf('\n\n') + 1 ? index : index + signed.length - payload.length;
      changed[place] = byte ^ 0x01;
      expect(await verdict(changed, allowed())).not.toMatch(/^signed by/);
    }
  });

  test('of a SHA-256 repository is in a header of its own', async () => {
    const data = withSignature(payload, key.sign(payload), 'gpgsig-sha256');
    expect(await verdict(data, allowed(), { id: 64 })).toBe('signed by m@example.com');
    // A signature for the SHA-1 form of the commit is no part of what the SHA-256 one signs.
    const both = withSignature(data, other.sign(payload));
    expect(await verdict(both, allowed(), { id: 64 })).toBe('signed by m@example.com');
  });
});

describe('a line of allowed signers', () => {
  test.each([
    ['namespaces="git"', /^signed/],
    ['namespaces="file,git"', /^signed/],
    ['namespaces="g*"', /^signed/],
    ['namespaces="*,!git"', /trusted for \*, !git and not for git/],
    ['namespaces="file"', /trusted for file and not for git/],
    ['valid-after="20260228Z",valid-before="20260401Z"', /^signed/],
    ['valid-after="20260301120000Z"', /is valid only after 2026-03-01T12:00:00.000Z/],
    ['valid-before="202602280000Z"', /was valid only before 2026-02-28T00:00:00.000Z/],
    ['valid-before="20260301120000Z"', /was valid only before 2026-03-01T12/],
    [
      'valid-before="20260231"',
      /is not trusted \(among the trusted keys, allowed_signers line 2 has no time/,
    ],
    ['cert-authority', /allowed_signers line 2 is for certificates/],
    ['verify-required', /allowed_signers line 2 has the unknown option "verify-required"/],
  ])('with %s', async (options, expected) => {
    expect(await verdict(signed, allowed(options))).toMatch(expected);
  });

  test('of another validity does not spoil a second one of the same key', async () => {
    const files = {
      allowed_signers:
        `m@example.com namespaces="file" ${key.publicLine}\n` +
        `"n@example.com,o@example.com" namespaces="git" ${key.publicLine} laptop\n`,
    };
    expect(await verdict(signed, files)).toBe('signed by n@example.com,o@example.com');
  });

  test('may be a plain public key, in a file of its own', async () => {
    const files = { 'ci.pub': `${key.publicLine} ci@example.com\n` };
    expect(await verdict(signed, files)).toBe('signed by ci@example.com');
  });

  test.each([
    ['a.pub', 'nonsense', /a.pub line 1 holds no public key/],
    ['a.pub', 'ssh-ed25519 AAAA', /a.pub line 1 holds a key that the data is cut off/],
    ['a.pub', key.publicLine.replace('ssh-ed25519', 'ssh-rsa'), /names another type/],
    ['keys.txt', key.publicLine, /keys.txt is neither \*\.asc, \*\.pub nor allowed_signers/],
    ['a.asc', 'nonsense', /a.asc holds no armoured OpenPGP public key/],
  ])('%s: %s gives no trust and says why', async (name, text, reason) => {
    expect(await verdict(signed, { [name]: text })).toMatch(reason);
  });

  test('from an old key is refused now, though the commit claims an older time', async () => {
    const backdated = payloadOf('backdated', committedAt - 30 * day);
    const data = withSignature(backdated, key.sign(backdated));
    const files = allowed('valid-before="20260301Z"');
    expect(await verdict(data, files, { at: committedAt - 29 * day })).toMatch(/^signed/);
    expect(await verdict(data, files)).toMatch(/was valid only before/);
  });

  test('cannot be used for a commit from the future', async () => {
    expect(await verdict(signed, allowed(), { at: committedAt - 60 * second })).toMatch(/^signed/);
    expect(await verdict(signed, allowed(), { at: committedAt - day })).toMatch(/in the future/);
  });
});

describe('an OpenPGP signature', async () => {
  const before = new Date(committedAt - 10 * day);
  const at = new Date(committedAt);
  const trusted = await openPgpSigningKey({ date: before });
  const stranger = await openPgpSigningKey({ date: before });
  const shortLived = await openPgpSigningKey({ date: before, lifetimeSeconds: 5 * 86_400 });
  const endsLater = await openPgpSigningKey({ date: before, lifetimeSeconds: 10.5 * 86_400 });
  const { readKey, reformatKey, revokeKey, enums } = await import('openpgp');
  const revoked = await revokeKey({
    key: trusted.privateKey,
    date: new Date(committedAt + day / 2),
    reasonForRevocation: { flag: enums.reasonForRevocation.keySuperseded },
    format: 'armored',
  });
  const files = (text = trusted.publicText): KeyFiles => ({ 'maintainers.asc': text });
  const signedBy = async (signer: typeof trusted, date = at) =>
    withSignature(payload, await openPgpSign(payload, [signer.privateKey], date));
  const fixture = (name: string) =>
    readFileSync(join(import.meta.dirname, 'testing/fixtures', name));

  test('by a trusted key counts, and not for another commit', async () => {
    const data = await signedBy(trusted);
    expect(await verdict(data, files())).toBe('signed by Release Key <release@example.com>');
    const changed = Buffer.from(
      data.toString('latin1').replace('a release', 'A release'),
      'latin1',
    );
    expect(await verdict(changed, files())).toMatch(/Signed digest did not match/);
  });

  test.each<[string, () => Promise<Buffer>, KeyFiles, RegExp]>([
    ['by an unknown key', () => signedBy(stranger), files(), /^OpenPGP key \w+ is not trusted$/],
    [
      'with a weak digest',
      async () => fixture('gpg-weak.commit.txt'),
      files(fixture('gpg-weak.asc').toString()),
      /Insecure message hash algorithm: SHA1/,
    ],
    ['by a key revoked since', () => signedBy(trusted), files(revoked.publicKey), /is revoked/],
    [
      'by a key expired since',
      () => signedBy(endsLater),
      files(endsLater.publicText),
      /is expired/,
    ],
    ['from the future', () => signedBy(trusted, new Date(now + day)), files(), /in the future/],
  ])('%s is refused', async (_, make, trust, reason) => {
    expect(await verdict(await make(), trust)).toMatch(reason);
  });

  test('by a key that had expired when it signed is refused', async () => {
    const { readPrivateKey } = await import('openpgp');
    // The same key without an end, as its thief would make it.
    const endless = await reformatKey({
      privateKey: shortLived.privateKey,
      userIDs: [{ name: 'Release Key', email: 'release@example.com' }],
      date: before,
      format: 'armored',
    });
    const privateKey = await readPrivateKey({ armoredKey: endless.privateKey });
    const data = await signedBy({ ...shortLived, privateKey });
    expect(await verdict(data, files(endless.publicKey))).toMatch(/^signed/);
    expect(await verdict(data, files(shortLived.publicText))).toMatch(/is expired/);
  });

  test('counts after the end of its key was moved', async () => {
    const renewed = await openPgpSigningKey({ date: before });
    const data = await signedBy(renewed);
    const moved = await reformatKey({
      privateKey: renewed.privateKey,
      userIDs: [{ name: 'Release Key', email: 'release@example.com' }],
      date: new Date(committedAt + day / 2),
      keyExpirationTime: 100 * 86_400,
      format: 'armored',
    });
    expect(await verdict(data, files(moved.publicKey))).toMatch(/^signed/);
  });

  test('among several counts when one of them is by a trusted key', async () => {
    const both = await openPgpSign(payload, [stranger.privateKey, trusted.privateKey], at);
    expect(await verdict(withSignature(payload, both), files())).toMatch(/^signed by Release Key/);
    expect(await verdict(withSignature(payload, both), {})).toMatch(/not trusted; .*not trusted/);
    const many = await openPgpSign(payload, Array(9).fill(trusted.privateKey), at);
    expect(await verdict(withSignature(payload, many), files())).toMatch(/9 OpenPGP signatures/);
  });

  test('is not looked for among private keys, which do not belong into a cluster', async () => {
    const text = trusted.privateKey.armor();
    expect(await verdict(await signedBy(trusted), files(text))).toMatch(/holds no armoured/);
    expect((await readKey({ armoredKey: trusted.publicText })).isPrivate()).toBe(false);
  });

  test.each([
    ['sha1', 40],
    ['sha256', 64],
  ])('by GnuPG, of a repository with %s', async (digest, id) => {
    const data = fixture(`gpg-${digest}.commit.txt`);
    const trust = files(fixture('gpg.asc').toString());
    expect(await verdict(data, trust, { id })).toBe('signed by Release Key <release@example.com>');
    expect(await verdict(data, trust, { id: id === 40 ? 64 : 40 })).toBe(
      'the commit is not signed',
    );
  });
});

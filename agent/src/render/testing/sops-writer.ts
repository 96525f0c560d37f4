import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { generateKey } from 'openpgp';
import { findTool } from '../../../../deploy/tools/index.ts';

export type SopsWriter = Disposable & {
  readonly ageIdentity: string;
  readonly ageRecipient: string;
  readonly pgpPrivateKey: string;
  readonly pgpFingerprint: string;
  /** Encrypts with the real sops, as a person would: `--age` when no key is named in `more`. */
  readonly encrypt: (text: string, format: string, more?: readonly string[]) => string;
};

/** A person who has an age key and an OpenPGP key, and encrypts files for them. */
export async function createSopsWriter(): Promise<SopsWriter> {
  const sops = await findTool('sops');
  const home = mkdtempSync(join(tmpdir(), 'sops-writer-'));
  const ageIdentity = await generateX25519Identity();
  const ageRecipient = await identityToRecipient(ageIdentity);
  const { privateKey } = await generateKey({
    userIDs: [{ name: 'Test', email: 'test@example.com' }],
    format: 'object',
  });
  // The public key ring that sops reads by itself, without gpg.
  writeFileSync(join(home, 'pubring.gpg'), privateKey.toPublic().write());
  return {
    ageIdentity,
    ageRecipient,
    pgpPrivateKey: privateKey.armor(),
    pgpFingerprint: privateKey.getFingerprint().toUpperCase(),
    encrypt: (text, format, more = []) => {
      const named = more.some((each) => ['--age', '--pgp'].includes(each));
      const recipients = named ? [] : ['--age', ageRecipient];
      return execFileSync(
        sops,
        ['encrypt', '--input-type', format, '--output-type', format].concat(
          ['--filename-override', `file.${format}`],
          recipients,
          more,
        ),
        { input: text, env: { HOME: home, GNUPGHOME: home, PATH: '' }, encoding: 'utf8' },
      );
    },
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  };
}

import { createHash } from 'node:crypto';
import { err, ok, type Result } from '@fairlead/shared/result';
import { readSshKey, type SshKey } from './ssh-key.ts';
import { readSsh, SshFormatError, sshString } from './ssh-wire.ts';

export type SshSignature = {
  /** The key that the signature brings along; it proves nothing until it is found among the trusted ones. */
  readonly key: SshKey;
  readonly isOf: (payload: Buffer) => boolean;
};

const magic = Buffer.from('SSHSIG', 'latin1');
const armour =
  /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n?$/;

export const isSshSignature = (text: string): boolean =>
  text.startsWith('-----BEGIN SSH SIGNATURE-----');

/** What a signature by `git commit -S` is for; one made for files or mail is refused. */
const gitNamespace = 'git';

/** Reads an armoured signature as OpenSSH's PROTOCOL.sshsig defines it. */
export function readSshSignature(text: string): Result<SshSignature, string> {
  const body = armour.exec(text.replaceAll('\r\n', '\n'))?.[1];
  if (body === undefined) return err('the SSH signature cannot be read');
  try {
    const reader = readSsh(Buffer.from(body, 'base64'));
    if (!reader.bytes(magic.length).equals(magic)) return err('the SSH signature cannot be read');
    const version = reader.uint32();
    if (version !== 1) return err(`the SSH signature has the unknown version ${version}`);
    const key = readSshKey(reader.string());
    const namespace = reader.text();
    const reserved = reader.string();
    const hash = reader.text();
    const signature = reader.string();
    reader.end();
    if (namespace !== gitNamespace) {
      return err(`the SSH signature is for ${JSON.stringify(namespace)} and not for "git"`);
    }
    if (hash !== 'sha256' && hash !== 'sha512') {
      return err(
        `the SSH signature uses the digest ${JSON.stringify(hash)}, which is not accepted`,
      );
    }
    if (!key.ok) return err(`the key of the SSH signature ${key.error}`);
    const isOf = (payload: Buffer): boolean => {
      const digest = createHash(hash).update(payload).digest();
      const fields = [
        sshString(namespace),
        sshString(reserved),
        sshString(hash),
        sshString(digest),
      ];
      return key.value.verifies(Buffer.concat([magic, ...fields]), signature);
    };
    return ok({ key: key.value, isOf });
  } catch (error) {
    if (error instanceof SshFormatError) {
      return err(`the SSH signature cannot be read: ${error.message}`);
    }
    throw error;
  }
}

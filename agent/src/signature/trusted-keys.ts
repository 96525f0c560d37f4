import { readSigners, type SignersFile, type SshSigner } from './allowed-signers.ts';
import { type OpenPgpKeys, readOpenPgpKeys } from './open-pgp.ts';

/** What a ConfigMap or Secret holds, by the names of its entries. */
export type KeyFiles = Readonly<Record<string, string>>;

export type TrustedKeys = {
  readonly sshSigners: readonly SshSigner[];
  readonly openPgpKeys: OpenPgpKeys['keys'];
  /** What in the files gives no trust because it cannot be read, each with its place. */
  readonly faults: readonly string[];
};

/**
 * Reads trusted keys by the name of each file: `*.asc` is OpenPGP, `allowed_signers` or `*.allowed_signers` is the file that
 * Git itself uses for SSH, and `*.pub` holds plain SSH public keys.
 */
export async function readTrustedKeys(files: KeyFiles): Promise<TrustedKeys> {
  const sshSigners: SshSigner[] = [];
  const openPgpKeys: OpenPgpKeys['keys'][number][] = [];
  const faults: string[] = [];
  const takeSigners = (name: string, file: SignersFile) => {
    sshSigners.push(...file.signers);
    faults.push(...file.faults.map((fault) => `${name} ${fault}`));
  };
  for (const [name, text] of Object.entries(files)) {
    if (name === 'allowed_signers' || name.endsWith('.allowed_signers')) {
      takeSigners(name, readSigners(text, true));
    } else if (name.endsWith('.pub')) takeSigners(name, readSigners(text, false));
    else if (name.endsWith('.asc')) {
      const read = await readOpenPgpKeys(text);
      openPgpKeys.push(...read.keys);
      faults.push(...read.faults.map((fault) => `${name} ${fault}`));
    } else {
      faults.push(`${name} is neither *.asc, *.pub nor allowed_signers`);
    }
  }
  return { sshSigners, openPgpKeys, faults };
}

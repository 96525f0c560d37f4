import { err, ok, type Result } from '@fairlead/shared/result';
import type { PrivateKey } from 'openpgp';
import type { DecryptKey } from './key-service.ts';

/** What a Secret's entries hold, unread: the libraries are loaded when a file asks for a key. */
type KeyTexts = { readonly age: readonly string[]; readonly pgp: readonly string[] };

const ageEntry = /\.agekey$/;
const pgpEntry = /\.asc$/;

/** Why a Secret is no use, in words that hold nothing of it; undefined when it holds keys. */
export function keysFault(data: Readonly<Record<string, string>>): string | undefined {
  const { age, pgp } = keyTexts(data);
  return age.length + pgp.length === 0
    ? 'holds no key: an entry named *.agekey holds age identities (AGE-SECRET-KEY-…), one named *.asc an armored OpenPGP private key'
    : undefined;
}

function keyTexts(data: Readonly<Record<string, string>>): KeyTexts {
  const entries = Object.entries(data);
  return {
    age: entries
      .filter(([name]) => ageEntry.test(name))
      .flatMap(([, text]) => text.split('\n'))
      .map((line) => line.trim())
      .filter((line) => line.startsWith('AGE-SECRET-KEY-')),
    pgp: entries.filter(([name]) => pgpEntry.test(name)).map(([, text]) => text),
  };
}

/** Decrypts data keys in memory. A refusal says why in words that hold nothing of a key. */
export function createKeyDecrypter(data: Readonly<Record<string, string>>): DecryptKey {
  const { age, pgp } = keyTexts(data);
  let pgpKeys: Promise<Result<PrivateKey[], string>> | undefined;

  return async ({ kind, name, ciphertext }) => {
    switch (kind) {
      case 'age':
        return age.length === 0 ? err('no age identity') : decryptAge(age, ciphertext);
      case 'pgp':
        if (pgp.length === 0) return err('no OpenPGP key');
        pgpKeys ??= readPgpKeys(pgp);
        return decryptPgp(await pgpKeys, ciphertext);
      case 'other':
        return err(`${name} is not supported: add an age or OpenPGP recipient`);
    }
  };
}

async function decryptAge(
  identities: readonly string[],
  ciphertext: Uint8Array,
): Promise<Result<Uint8Array, string>> {
  const { armor, Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  try {
    for (const identity of identities) decrypter.addIdentity(identity);
  } catch {
    return err('an age identity in the Secret is damaged');
  }
  try {
    const file = armor.decode(Buffer.from(ciphertext).toString('latin1'));
    return ok(await decrypter.decrypt(file, 'uint8array'));
  } catch {
    return err('no identity fits');
  }
}

async function readPgpKeys(texts: readonly string[]): Promise<Result<PrivateKey[], string>> {
  const { readPrivateKeys } = await import('openpgp');
  const keys: PrivateKey[] = [];
  for (const armoredKeys of texts) {
    try {
      keys.push(...(await readPrivateKeys({ armoredKeys })));
    } catch {
      return err('an entry *.asc is no armored OpenPGP private key');
    }
  }
  return keys.some((key) => !key.isDecrypted())
    ? err('an OpenPGP key is locked by a passphrase: export it without one')
    : ok(keys);
}

async function decryptPgp(
  keys: Result<PrivateKey[], string>,
  ciphertext: Uint8Array,
): Promise<Result<Uint8Array, string>> {
  if (!keys.ok) return keys;
  const { decrypt, readMessage } = await import('openpgp');
  try {
    const armoredMessage = Buffer.from(ciphertext).toString('latin1');
    const message = await readMessage({ armoredMessage });
    const { data } = await decrypt({ message, decryptionKeys: keys.value, format: 'binary' });
    return ok(data);
  } catch {
    return err('no key fits');
  }
}

import { err, ok, type Result } from '@fairlead/shared/result';
import type { PublicKey, Signature } from 'openpgp';
import { commitSignaturesMax, signatureClockSkewMsMax } from '../limits.ts';

// The library takes some 10 MiB once it is read, so a cluster that trusts SSH keys only never loads it.
const load = () => import('openpgp');

export type OpenPgpKeys = {
  readonly keys: readonly PublicKey[];
  /** What could not be read; such a key gives no trust, and the others count. */
  readonly faults: readonly string[];
};

export const isOpenPgpSignature = (text: string): boolean =>
  text.startsWith('-----BEGIN PGP SIGNATURE-----');

const blockPattern =
  /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g;

/** Every public key of a file: armoured blocks, each with one key or several. */
export async function readOpenPgpKeys(text: string): Promise<OpenPgpKeys> {
  const { readKeys } = await load();
  const keys: PublicKey[] = [];
  const faults: string[] = [];
  const blocks = text.match(blockPattern) ?? [];
  if (blocks.length === 0) faults.push('holds no armoured OpenPGP public key');
  for (const [index, armoredKeys] of blocks.entries()) {
    try {
      for (const key of await readKeys({ armoredKeys })) {
        if (key.isPrivate()) faults.push(`block ${index + 1} holds a private key`);
        else keys.push(key);
      }
    } catch (error) {
      faults.push(`block ${index + 1} cannot be read: ${reasonOf(error)}`);
    }
  }
  return { keys, faults };
}

export type OpenPgpSigner = { readonly fingerprint: string; readonly principal: string };

/**
 * Says which trusted key made one of the signatures. A key counts when it was valid at the time of the signature and is
 * valid now: neither expired nor revoked.
 */
export async function verifyOpenPgp(
  payload: Buffer,
  text: string,
  { keys, nowMs }: { readonly keys: readonly PublicKey[]; readonly nowMs: number },
): Promise<Result<OpenPgpSigner, string>> {
  const { createMessage, enums, readSignature, verify } = await load();
  let signature: Signature;
  try {
    signature = await readSignature({ armoredSignature: text });
  } catch (error) {
    return err(`the OpenPGP signature cannot be read: ${reasonOf(error)}`);
  }
  const { packets } = signature;
  if (packets.length === 0 || packets.length > commitSignaturesMax) {
    return err(
      `the commit has ${packets.length} OpenPGP signatures; 1 to ${commitSignaturesMax} are read`,
    );
  }
  if (packets.some(({ signatureType }) => signatureType !== enums.signature.binary)) {
    return err('the OpenPGP signature is not one over the bytes of the commit');
  }
  const newestMs = Math.max(...packets.map(({ created }) => created?.getTime() ?? 0));
  // The clocks of a signer and of a cluster differ by seconds.
  const now = new Date(Math.min(Math.max(nowMs, newestMs), nowMs + signatureClockSkewMsMax));
  const { signatures } = await verify({
    message: await createMessage({ binary: new Uint8Array(payload) }),
    signature,
    verificationKeys: [...keys],
    date: now,
    // A key whose end was moved carries a newer self-signature, and may have lost the one from the time of the commit.
    config: { allowInsecureVerificationWithReformattedKeys: true },
  });
  const refusals: string[] = [];
  for (const { keyID, verified } of signatures) {
    const key = keys.find((candidate) => candidate.getKeys(keyID).length > 0);
    if (key === undefined) {
      refusals.push(`OpenPGP key ${keyID.toHex()} is not trusted`);
      continue;
    }
    try {
      await verified;
      await key.getSigningKey(keyID, now);
      const principal = key.getUserIDs()[0] ?? '';
      return ok({ fingerprint: key.getFingerprint().toUpperCase(), principal });
    } catch (error) {
      refusals.push(`OpenPGP key ${keyID.toHex()}: ${reasonOf(error)}`);
    }
  }
  return err(refusals.join('; '));
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message.replace(/^Error \w+ \w+: /, '') : String(error);

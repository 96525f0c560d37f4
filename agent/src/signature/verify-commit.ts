import { err, ok, type Result } from '@fairlead/shared/result';
import { signatureClockSkewMsMax } from '../limits.ts';
import { matchesPatterns, type SshSigner } from './allowed-signers.ts';
import { isOpenPgpSignature, verifyOpenPgp } from './open-pgp.ts';
import { readSignedCommit, type SignedCommit } from './signed-commit.ts';
import { isSshSignature, readSshSignature } from './ssh-signature.ts';
import type { TrustedKeys } from './trusted-keys.ts';

/** Whose signature it is: the key's fingerprint, and who that is by the words of whoever trusts it. */
export type Signer = { readonly fingerprint: string; readonly principal: string };

export type CommitToVerify = {
  /** The commit object, as it hashes to its id. */
  readonly data: Buffer;
  /** 40 or 64 digits: the repository's digest decides which header holds the signature. */
  readonly idLength: number;
};

/** Says which trusted key signed the commit, or why none did. The commit's tree id covers its whole content. */
export async function verifyCommit(
  { data, idLength }: CommitToVerify,
  keys: TrustedKeys,
  nowMs: number,
): Promise<Result<Signer, string>> {
  const read = readSignedCommit(data, idLength);
  if (!read.ok) return read;
  const { payload, signature } = read.value;
  if (signature === undefined) return err('the commit is not signed');
  const verified = isSshSignature(signature)
    ? verifySsh(read.value, signature, keys.sshSigners, nowMs)
    : isOpenPgpSignature(signature)
      ? await verifyOpenPgp(payload, signature, { keys: keys.openPgpKeys, nowMs })
      : err('the signature is neither of SSH nor of OpenPGP');
  if (verified.ok || keys.faults.length === 0) return verified;
  return err(`${verified.error} (among the trusted keys, ${keys.faults.join(', ')})`);
}

function verifySsh(
  { payload, committedAtMs }: SignedCommit,
  text: string,
  signers: readonly SshSigner[],
  nowMs: number,
): Result<Signer, string> {
  const signature = readSshSignature(text);
  if (!signature.ok) return signature;
  const { fingerprint } = signature.value.key;
  if (!signature.value.isOf(payload)) {
    return err(`the signature with SSH key ${fingerprint} is not one of this commit`);
  }
  const known = signers.filter((signer) => signer.fingerprint === fingerprint);
  if (known.length === 0) return err(`SSH key ${fingerprint} is not trusted`);
  const refusals: string[] = [];
  for (const signer of known) {
    const fault = signerFault(signer, committedAtMs, nowMs);
    if (fault === undefined) return ok({ fingerprint, principal: signer.principals });
    refusals.push(fault);
  }
  return err(`SSH key ${fingerprint} ${refusals.join(', and ')}`);
}

/**
 * Git asks whether the key was valid when the commit says it was made; whoever stole an old key states such a time, so the
 * key must be valid now as well.
 */
function signerFault(signer: SshSigner, committedAtMs: number, nowMs: number): string | undefined {
  const { namespaces, validAfterMs, validBeforeMs } = signer;
  if (namespaces !== undefined && !matchesPatterns(namespaces, 'git')) {
    return `is trusted for ${namespaces.join(', ')} and not for git`;
  }
  if (committedAtMs > nowMs + signatureClockSkewMsMax) {
    return 'signed a commit that states a time in the future';
  }
  const [first, last] = [Math.min(committedAtMs, nowMs), Math.max(committedAtMs, nowMs)];
  if (first < validAfterMs) return `is valid only after ${new Date(validAfterMs).toISOString()}`;
  if (last >= validBeforeMs)
    return `was valid only before ${new Date(validBeforeMs).toISOString()}`;
  return undefined;
}

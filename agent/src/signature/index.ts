// Signatures of commits by OpenPGP and SSH keys, checked over the very bytes of the commit object against keys that the
// caller trusts. It reads no cluster, disk or network. Imports limits and `result`; openpgp stops here.
export { type KeyFiles, readTrustedKeys, type TrustedKeys } from './trusted-keys.ts';
export { type CommitToVerify, type Signer, verifyCommit } from './verify-commit.ts';

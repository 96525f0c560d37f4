// Signing keys and signatures for tests. Imports the module beside it; no program imports it.
export {
  type OpenPgpSigningKey,
  openPgpSign,
  openPgpSigningKey,
  type SshKeyType,
  type SshSigningKey,
  type SshSignOptions,
  sshSigningKey,
  withSignature,
} from './sign.ts';

// Decrypts what SOPS encrypted (age, OpenPGP) with the real sops. Private keys stay in this process's memory: sops asks
// for data keys over SOPS's key service protocol. Cleartext is never written to a disk.
// Imports `render`'s failures and tool runs, gRPC for that protocol alone, and the libraries for the keys, on demand.
export { createFileDecrypter, type DecryptFile, type EncryptedFile } from './decrypter.ts';
export { hasSopsMetadata, isSopsEncrypted, type SopsFormat, sopsFormatOf } from './detect.ts';
export {
  addDotenv,
  addManifest,
  type Exchange,
  emptyExchange,
  exchangeAll,
} from './exchange.ts';
export { createKeyring, type Keyring, type ReadSecret, type SopsKeys } from './keyring.ts';

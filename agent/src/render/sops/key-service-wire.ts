import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** A key that SOPS asks for; of other kinds than these two only the name is known. */
export type KeyRequest =
  | { readonly kind: 'age'; readonly name: string; readonly ciphertext: Uint8Array }
  | { readonly kind: 'pgp'; readonly name: string; readonly ciphertext: Uint8Array }
  | { readonly kind: 'other'; readonly name: string; readonly ciphertext: Uint8Array };

/** The cases of `Key` in SOPS's keyservice.proto that the agent does not serve. */
const otherKinds: Readonly<Record<number, string>> = {
  1: 'AWS KMS',
  3: 'GCP KMS',
  4: 'Azure Key Vault',
  5: 'HashiCorp Vault',
  7: 'Huawei KMS',
};

const pgpField = 2;
const ageField = 6;

/** `DecryptRequest { Key key = 1; bytes ciphertext = 2; }` */
export function decodeDecryptRequest(bytes: Uint8Array): KeyRequest {
  const reader = new BinaryReader(bytes);
  let key: Pick<KeyRequest, 'kind' | 'name'> = { kind: 'other', name: 'unknown' };
  let ciphertext: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) key = decodeKey(reader.bytes());
    else if (field === 2) ciphertext = reader.bytes();
    else reader.skip(wireType);
  }
  return { ...key, ciphertext };
}

function decodeKey(bytes: Uint8Array): Pick<KeyRequest, 'kind' | 'name'> {
  const reader = new BinaryReader(bytes);
  let key: Pick<KeyRequest, 'kind' | 'name'> = { kind: 'other', name: 'unknown' };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === pgpField) key = { kind: 'pgp', name: firstText(reader.bytes()) };
    else if (field === ageField) key = { kind: 'age', name: firstText(reader.bytes()) };
    else {
      key = { kind: 'other', name: otherKinds[field] ?? `kind ${field}` };
      reader.skip(wireType);
    }
  }
  return key;
}

/** Field 1 of `PgpKey` (the fingerprint) and of `AgeKey` (the recipient). */
function firstText(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let text = '';
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) text = reader.string();
    else reader.skip(wireType);
  }
  return text;
}

/** `DecryptResponse { bytes plaintext = 1; }` */
export const encodeDecryptResponse = (plaintext: Uint8Array): Buffer =>
  Buffer.from(new BinaryWriter().uint32(0x0a).bytes(plaintext).finish());

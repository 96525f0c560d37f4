import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { createUser, fromSeed } from '@nats-io/nkeys';

export type AgentKeys = { readonly clusterKeyPem: string; readonly natsSeed: string };

/** An ECDSA P-256 key for the certificate and an Ed25519 key for the bus. */
export function makeKeys(): AgentKeys {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    clusterKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    natsSeed: Buffer.from(createUser().getSeed()).toString('ascii'),
  };
}

export const natsPublicKey = (natsSeed: string): string =>
  fromSeed(Buffer.from(natsSeed, 'ascii')).getPublicKey();

const der = (tag: number, ...contents: Uint8Array[]): Buffer => {
  const content = Buffer.concat(contents);
  const { length } = content;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
};
const sequence = (...contents: Uint8Array[]): Buffer => der(0x30, ...contents);
const commonNameOid = Buffer.from('0603550403', 'hex');
const ecdsaWithSha256Oid = Buffer.from('06082a8648ce3d040302', 'hex');
const version0 = Buffer.from('020100', 'hex');

/**
 * A PKCS#10 request (RFC 2986) for the cluster key, in DER. The hub takes its public key and its signature and writes
 * subject and names itself, so the request is as plain as the format allows.
 */
export function certificateSigningRequest(clusterKeyPem: string): Buffer {
  const key = createPrivateKey(clusterKeyPem);
  const name = sequence(
    der(0x31, sequence(commonNameOid, der(0x0c, Buffer.from('fairlead-agent', 'utf8')))),
  );
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const noAttributes = der(0xa0);
  const information = sequence(version0, name, publicKey, noAttributes);
  const signature = sign('sha256', information, key);
  return sequence(
    information,
    sequence(ecdsaWithSha256Oid),
    der(0x03, Buffer.from([0]), signature),
  );
}

import { createHash, hkdfSync } from 'node:crypto';
import { ok, type Result } from '@fairlead/shared/result';
import { sopsKeysAgeMsMax } from '../../limits.ts';
import { type RenderFailure, renderFailure } from '../failure.ts';
import type { DecryptKey } from './key-service.ts';
import { createKeyDecrypter, keysFault } from './private-keys.ts';

/** The entries of a Secret in the agent's namespace; undefined when there is none. It may throw. */
export type ReadSecret = (
  name: string,
  signal: AbortSignal,
) => Promise<Readonly<Record<string, string>> | undefined>;

export type SopsKeys = {
  /** Where the keys come from, for messages. */
  readonly place: string;
  /** Changes with the keys and says nothing about them. */
  readonly digest: string;
  /** For what was decrypted with the keys and is kept on disk. */
  readonly sealKey: Buffer;
  readonly decryptKey: DecryptKey;
};

export type Keyring = (
  secretName: string,
  signal: AbortSignal,
) => Promise<Result<SopsKeys, RenderFailure>>;

export type KeyringDependencies = {
  readonly readSecret: ReadSecret;
  readonly namespace: string;
  /** Milliseconds that only grow. */
  readonly now: () => number;
};

/** Reads key Secrets, each at most once in a while, so that many units with one Secret make one request. */
export function createKeyring({ readSecret, namespace, now }: KeyringDependencies): Keyring {
  const held = new Map<string, { readonly atMs: number; readonly keys: SopsKeys }>();
  const reading = new Map<string, ReturnType<Keyring>>();

  const read = async (name: string, signal: AbortSignal): ReturnType<Keyring> => {
    const place = `Secret ${name} in namespace ${namespace}`;
    let data: Readonly<Record<string, string>> | undefined;
    try {
      data = await readSecret(name, signal);
    } catch (error) {
      return renderFailure('keys_missing', `${place} cannot be read: ${(error as Error).message}`);
    }
    if (data === undefined) {
      return renderFailure(
        'keys_missing',
        `${place} does not exist, and render.decrypt.sops.secretRef of the stage names it. Create it with ` +
          `\`kubectl -n ${namespace} create secret generic ${name} --from-file=age.agekey=FILE\`.`,
      );
    }
    const fault = keysFault(data);
    if (fault !== undefined) return renderFailure('keys_missing', `${place} ${fault}.`);
    const material = JSON.stringify(Object.entries(data).sort());
    const keys: SopsKeys = {
      place,
      digest: createHash('sha256').update('fairlead sops keys\n').update(material).digest('hex'),
      sealKey: Buffer.from(hkdfSync('sha256', material, '', 'fairlead render cache', 32)),
      decryptKey: createKeyDecrypter(data),
    };
    held.set(name, { atMs: now(), keys });
    return ok(keys);
  };

  return async (name, signal) => {
    const known = held.get(name);
    if (known !== undefined && now() - known.atMs <= sopsKeysAgeMsMax) return ok(known.keys);
    held.delete(name);
    const running = reading.get(name) ?? read(name, signal);
    reading.set(name, running);
    try {
      return await running;
    } finally {
      reading.delete(name);
    }
  };
}

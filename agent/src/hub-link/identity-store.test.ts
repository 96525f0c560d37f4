import { describe, expect, it } from 'vitest';
import type { StoredIdentity } from './hub-identity.ts';
import { identitySecretName, secretIdentityStore } from './index.ts';

const stored: StoredIdentity = {
  version: 1,
  clusterKeyPem: 'canary-key',
  natsSeed: 'canary-seed',
  joinedEpoch: 2,
};

function secrets(initial: Record<string, Readonly<Record<string, string>>> = {}) {
  const held = new Map(Object.entries(initial));
  return {
    getSecret: async (name: string) => held.get(name),
    putSecret: async (name: string, data: Readonly<Record<string, string>>) => {
      held.set(name, data);
    },
  };
}

describe('the identity in a Secret', () => {
  it('is read as it was written, and absent at first', async () => {
    const store = secretIdentityStore(secrets());
    expect(await store.load()).toBeUndefined();
    await store.save(stored);
    expect(await store.load()).toEqual(stored);
  });

  it.each([
    ['no JSON', 'canary-key {'],
    ['a key that is missing', JSON.stringify({ ...stored, natsSeed: undefined })],
    ['another version', JSON.stringify({ ...stored, version: 9 })],
  ])('S11: with %s gives an error with the remedy and without the content', async (_name, text) => {
    const store = secretIdentityStore(secrets({ [identitySecretName]: { 'identity.json': text } }));
    const message = await store.load().catch((error: Error) => error.message);
    expect(message).toMatch(/fairlead-agent-identity.*Delete it and add the cluster again/);
    expect(message).not.toMatch(/canary/);
  });
});

import { parseIdentity, type StoredIdentity, serialiseIdentity } from './hub-identity.ts';

export type IdentityStore = {
  /** Undefined when there is none yet. Throws when there is one that cannot be read. */
  readonly load: () => Promise<StoredIdentity | undefined>;
  readonly save: (stored: StoredIdentity) => Promise<void>;
};

/** What the store needs of the cluster: one Secret, as text by key. */
export type SecretAccess = {
  readonly getSecret: (name: string) => Promise<Readonly<Record<string, string>> | undefined>;
  readonly putSecret: (name: string, data: Readonly<Record<string, string>>) => Promise<void>;
};

export const identitySecretName = 'fairlead-agent-identity';
const identityKey = 'identity.json';

/** Keeps the identity in a Secret, so that it outlives the pod and its disk. */
export const secretIdentityStore = (secrets: SecretAccess): IdentityStore => ({
  load: async () => {
    const secret = await secrets.getSecret(identitySecretName);
    const text = secret?.[identityKey];
    if (text === undefined) return undefined;
    const parsed = parseIdentity(text);
    if (parsed.ok) return parsed.value;
    throw new Error(
      `Secret ${identitySecretName}: ${parsed.error}. Delete it and add the cluster again.`,
    );
  },
  save: (stored) =>
    secrets.putSecret(identitySecretName, { [identityKey]: serialiseIdentity(stored) }),
});

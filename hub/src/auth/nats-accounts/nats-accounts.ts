import { join } from 'node:path';
import type { ClusterId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import {
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
} from '@nats-io/jwt';
import { fromPublic, fromSeed, type KeyPair } from '@nats-io/nkeys';
import { z } from 'zod';
import { agentSubscriptionsMax, busMessageBytesMax, revocationKeptMs } from '../../limits.ts';
import { createPrivateFile, readPrivateFile, replacePrivateFile } from '../private-file/index.ts';
import { agentSubjects } from './subjects.ts';

export type BusCredentials = { readonly jwt: string; readonly seed: Uint8Array };

export type AgentUserRequest = {
  readonly clusterId: ClusterId;
  /** `U…`; its seed never leaves the cluster. */
  readonly publicKey: string;
  readonly expiresAt: Instant;
};

export type NatsAccounts = {
  readonly operatorJwt: string;
  readonly systemAccountId: string;
  readonly systemAccountJwt: string;
  readonly accountId: string;
  /** With the revocations of this moment. */
  readonly accountJwt: () => Promise<string>;
  /** Full rights within the `fairlead` account. */
  readonly hubCredentials: BusCredentials;
  /** May update accounts on the server. */
  readonly systemCredentials: BusCredentials;
  readonly issueAgentUser: (request: AgentUserRequest) => Promise<string>;
  /** Recorded on disk; takes effect when the server is given the new `accountJwt`. */
  readonly revokeUsers: (publicKeys: readonly string[], at: Instant) => Promise<void>;
};

const storedSchema = z.object({
  version: z.literal(1),
  operatorSeed: z.string(),
  systemAccountSeed: z.string(),
  systemUserSeed: z.string(),
  accountSeed: z.string(),
  hubUserSeed: z.string(),
  /** User public key → when it was revoked, in milliseconds. */
  revocations: z.record(z.string(), z.number()),
});
type Stored = z.infer<typeof storedSchema>;

// The token library's defaults are zero, which the server reads as "none at all": every limit is written out.
// -1 is unlimited.
const accountLimits = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: 0,
  exports: 0,
  wildcards: true,
  conn: -1,
  leaf: 0,
  disallow_bearer: true,
} as const;

const jetStreamLimits = {
  mem_storage: -1,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
  mem_max_stream_bytes: 0,
  disk_max_stream_bytes: 0,
  max_bytes_required: false,
  max_ack_pending: -1,
} as const;

export const isUserPublicKey = (text: string): boolean => {
  try {
    return text.startsWith('U') && fromPublic(text).getPublicKey() === text;
  } catch {
    return false;
  }
};

/** Opens the keys kept in `directory`, and makes them at the first start. */
export async function openNatsAccounts(options: { directory: string }): Promise<NatsAccounts> {
  const path = join(options.directory, 'nats-accounts.json');
  const text = (await readPrivateFile(path)) ?? (await createPrivateFile(path, makeKeys()));
  const stored = parseStored(text, path);
  const operator = keysOf(stored.operatorSeed);
  const systemAccount = keysOf(stored.systemAccountSeed);
  const account = keysOf(stored.accountSeed);
  let { revocations } = stored;
  let writing: Promise<void> = Promise.resolve();

  return {
    operatorJwt: await encodeOperator('fairlead', operator, {
      system_account: systemAccount.getPublicKey(),
    }),
    systemAccountId: systemAccount.getPublicKey(),
    systemAccountJwt: await encodeAccount(
      'system',
      systemAccount,
      { limits: { ...accountLimits, exports: -1 } },
      { signer: operator },
    ),
    accountId: account.getPublicKey(),
    accountJwt: () =>
      encodeAccount(
        'fairlead',
        account,
        {
          limits: { ...accountLimits, ...jetStreamLimits },
          revocations: secondsOf(revocations),
        },
        { signer: operator },
      ),
    hubCredentials: await credentials('hub', stored.hubUserSeed, account),
    systemCredentials: await credentials('hub-system', stored.systemUserSeed, systemAccount),

    issueAgentUser: ({ clusterId, publicKey, expiresAt }) => {
      const subjects = agentSubjects(clusterId);
      return encodeUser(
        clusterId,
        fromPublic(publicKey),
        account,
        {
          pub: { allow: [subjects.beat, subjects.report, subjects.audit], deny: [] },
          sub: { allow: [subjects.wake, `${subjects.inboxPrefix}.>`], deny: [] },
          subs: agentSubscriptionsMax,
          data: -1,
          payload: busMessageBytesMax,
          bearer_token: false,
          allowed_connection_types: ['STANDARD'],
        },
        { exp: Math.floor(expiresAt / 1_000) },
      );
    },

    revokeUsers: (publicKeys, at) => {
      revocations = Object.fromEntries([
        // A user token ends with its certificate, so an old revocation has nothing left to refuse.
        ...Object.entries(revocations).filter(([, since]) => since > at - revocationKeptMs),
        ...publicKeys.map((publicKey) => [publicKey, at]),
      ]);
      const content = `${JSON.stringify({ ...stored, revocations })}\n`;
      writing = writing.catch(() => undefined).then(() => replacePrivateFile(path, content));
      return writing;
    },
  };
}

const makeKeys = (): string => {
  const seedOf = (keys: KeyPair) => Buffer.from(keys.getSeed()).toString('ascii');
  const stored: Stored = {
    version: 1,
    operatorSeed: seedOf(createOperator()),
    systemAccountSeed: seedOf(createAccount()),
    systemUserSeed: seedOf(createUser()),
    accountSeed: seedOf(createAccount()),
    hubUserSeed: seedOf(createUser()),
    revocations: {},
  };
  return `${JSON.stringify(stored)}\n`;
};

function parseStored(text: string, path: string): Stored {
  try {
    return storedSchema.parse(JSON.parse(text));
  } catch {
    // The cause is left out: it could quote a seed.
    throw new Error(
      `${path} is not a set of bus keys. Restore it from a backup; without it every agent must renew its identity.`,
    );
  }
}

const keysOf = (seed: string): KeyPair => fromSeed(Buffer.from(seed, 'ascii'));

async function credentials(name: string, seed: string, issuer: KeyPair): Promise<BusCredentials> {
  const jwt = await encodeUser(name, keysOf(seed), issuer, {
    subs: -1,
    data: -1,
    payload: -1,
    bearer_token: false,
    allowed_connection_types: ['STANDARD'],
  });
  return { jwt, seed: Buffer.from(seed, 'ascii') };
}

const secondsOf = (revocations: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(revocations).map(([publicKey, at]) => [publicKey, Math.floor(at / 1_000)]),
  );

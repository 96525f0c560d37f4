import type { Identity } from '@fairlead/proto';
import { parseClusterId } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import { z } from 'zod';
import {
  beatIntervalMsMax,
  beatIntervalMsMin,
  busReconnectSpreadMs,
  busReconnectSpreadMsMax,
  identityBytesMax,
  linkBackoffMsMax,
  reconnectPauseMsMin,
} from '../limits.ts';

const identitySchema = z.object({
  clusterId: z.string().refine((id) => parseClusterId(id).ok, 'must be a cluster id'),
  clusterName: z.string().min(1),
  /** PEM, leaf first. */
  certificatePem: z.string().min(1),
  serial: z.string().min(1),
  caPem: z.string().min(1),
  natsUserJwt: z.string().min(1),
  natsUrls: z.array(z.string().min(1)).min(1).max(64),
  linkAddress: z.string().regex(/^.+:\d+$/, 'must be host:port'),
  beatIntervalMs: z.number(),
  /** How long agents spread their return after a lost connection: the hub knows how many there are. */
  reconnectSpreadMs: z.number().default(busReconnectSpreadMs),
  /** The hub epoch when it was issued. */
  epoch: z.number().int().nonnegative(),
  lifetimeMs: z.number().positive(),
  /** By the agent's own clock, so that a clock that is wrong on either side changes no lifetime. */
  receivedAtMs: z.number(),
});

/** What the hub issued. */
export type IssuedIdentity = z.infer<typeof identitySchema>;

const storedSchema = z.object({
  version: z.literal(1),
  /** PKCS#8 PEM; made in this cluster and never sent. */
  clusterKeyPem: z.string().min(1),
  /** `SU…`; made in this cluster and never sent. */
  natsSeed: z.string().min(1),
  /** The hub epoch at the join with a token, which is the one that a person saw. */
  joinedEpoch: z.number().int().nonnegative(),
  issued: identitySchema.optional(),
});

export type StoredIdentity = z.infer<typeof storedSchema>;

/** Keys and, once enrolled, what the hub issued for them. */
export type HubIdentity = IssuedIdentity &
  Pick<StoredIdentity, 'clusterKeyPem' | 'natsSeed' | 'joinedEpoch'>;

export const expiresAtMs = (identity: IssuedIdentity): number =>
  identity.receivedAtMs + identity.lifetimeMs;

export const serialiseIdentity = (stored: StoredIdentity): string => JSON.stringify(stored);

/** The text holds keys, so a fault never repeats any of it. */
export function parseIdentity(text: string): Result<StoredIdentity, string> {
  if (Buffer.byteLength(text) > identityBytesMax) return err('the stored identity is too large');
  try {
    const parsed = storedSchema.safeParse(JSON.parse(text));
    if (parsed.success) return ok(parsed.data);
    const places = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    return err(`the stored identity is not usable at: ${places}`);
  } catch {
    return err('the stored identity is no JSON');
  }
}

export function issuedIdentity(
  wire: Identity | undefined,
  nowMs: number,
): Result<IssuedIdentity, string> {
  if (wire === undefined) return err('the hub answered without an identity');
  const { issuedAtMs, expiresAtMs: endMs, ...identity } = wire;
  const parsed = identitySchema.safeParse({
    ...identity,
    lifetimeMs: endMs - issuedAtMs,
    receivedAtMs: nowMs,
    reconnectSpreadMs: Math.min(
      busReconnectSpreadMsMax,
      wire.reconnectSpreadMs || busReconnectSpreadMs,
    ),
    beatIntervalMs: Math.min(beatIntervalMsMax, Math.max(beatIntervalMsMin, wire.beatIntervalMs)),
  });
  if (parsed.success) return ok(parsed.data);
  const places = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
  return err(`the hub's identity is not usable at: ${places}`);
}

/** The longest pause between tries to reach the hub again: a small fleet has no reason to wait. */
export const reconnectPauseMsMax = (identity: IssuedIdentity | undefined): number => {
  const spreadMs = identity?.reconnectSpreadMs ?? busReconnectSpreadMs;
  return Math.min(linkBackoffMsMax, Math.max(reconnectPauseMsMin, spreadMs));
};

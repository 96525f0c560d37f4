import { X509Certificate } from 'node:crypto';
import type { Secret } from '@fairlead/shared/config';
import type { Logger } from '@fairlead/shared/log';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Clock, Random } from '@fairlead/shared/time';
import { Metadata, status } from '@grpc/grpc-js';
import {
  enrolRefusedMsMax,
  enrolRefusedMsMin,
  linkBackoffMsMax,
  linkBackoffMsMin,
} from '../limits.ts';
import { type CallFailure, callUnary, isRefusal, openEnrolment, openLink } from './channel.ts';
import {
  expiresAtMs,
  type HubIdentity,
  type IssuedIdentity,
  issuedIdentity,
  type StoredIdentity,
} from './hub-identity.ts';
import type { IdentityStore } from './identity-store.ts';
import { certificateSigningRequest, makeKeys, natsPublicKey } from './keys.ts';
import { createBackoff, createPulse, pause } from './pause.ts';
import {
  findPinnedAuthority,
  keyHashOf,
  parseAddress,
  presentedChain,
} from './pinned-authority.ts';

export type IdentityDependencies = {
  readonly store: IdentityStore;
  /** host:port of the hub's enrolment service. */
  readonly enrolAddress: string;
  /** `sha256:<hex>` of the hub's authority, from the install manifest. */
  readonly caKeyHash: string;
  readonly joinToken?: Secret;
  readonly clusterName: string;
  /** UID of the cluster's kube-system namespace. */
  readonly clusterUid: string;
  readonly agentVersion: string;
  /** What the agent says of itself; shown by the hub and never used to authorise. */
  readonly claims: () => Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** For tests: how long to wait after a refusal. */
  readonly refusedMs?: { readonly min: number; readonly max: number };
};

export type IdentityStatus = {
  readonly state: 'enrolling' | 'valid' | 'refused';
  /** Why it is in this state, for a person; empty when all is well. */
  readonly message: string;
  readonly serial: string;
  readonly expiresAtMs: number;
};

export type IdentitySource = {
  /** Enrols, renews and enrols again until the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly current: () => HubIdentity | undefined;
  /** Waits for the first identity; undefined when the signal aborts before. */
  readonly first: (signal: AbortSignal) => Promise<HubIdentity | undefined>;
  readonly status: () => IdentityStatus;
  readonly onChange: (listener: () => void) => () => void;
  /** The hub did not take the certificate: look for a new one now. */
  readonly refused: () => void;
};

/** A sleep is cut into pieces, because a suspended machine's timers stand still while certificates expire. */
const sleepMsMax = 30_000;

export function createIdentity(dependencies: IdentityDependencies): IdentitySource {
  const { store, clock, random, logger } = dependencies;
  const refusedMs = dependencies.refusedMs ?? { min: enrolRefusedMsMin, max: enrolRefusedMsMax };
  const listeners = new Set<() => void>();
  const poke = createPulse();
  let stored: StoredIdentity | undefined;
  let state: IdentityStatus['state'] = 'enrolling';
  let message = '';
  let suspect = false;

  const current = (): HubIdentity | undefined =>
    stored?.issued === undefined ? undefined : { ...stored, ...stored.issued };

  const keep = async (next: StoredIdentity): Promise<void> => {
    await store.save(next);
    stored = next;
  };
  const take = async (keys: StoredIdentity, issued: IssuedIdentity, joined: boolean) => {
    const joinedEpoch = joined ? issued.epoch : keys.joinedEpoch;
    await keep({ ...keys, joinedEpoch, issued });
    state = 'valid';
    message = '';
    suspect = false;
    logger.info({ serial: issued.serial, cluster: issued.clusterName }, 'identity issued');
    for (const listener of listeners) listener();
  };

  /** Keys are saved before they are used, so that an answer that was lost can be asked for again with the same key. */
  const loadOrMakeKeys = async (): Promise<StoredIdentity> => {
    const loaded = await store.load();
    if (loaded !== undefined) return loaded;
    const made: StoredIdentity = { version: 1, ...makeKeys(), joinedEpoch: 0 };
    await store.save(made);
    return made;
  };

  const verifiedAuthority = async (
    keys: StoredIdentity,
    signal: AbortSignal,
  ): Promise<Result<string, CallFailure>> => {
    const address = parseAddress(dependencies.enrolAddress);
    const chain = await presentedChain(address, signal);
    if (!chain.ok) return err({ code: status.UNAVAILABLE, message: chain.error });
    // A hub that rotated its authority told its agents in time; the manifest still names the old one.
    const pins = new Set([dependencies.caKeyHash, ...authoritiesOf(keys.issued?.caPem ?? '')]);
    const found = findPinnedAuthority(chain.value, pins, address.host, clock.now());
    if (found.ok) return ok(found.value.toString());
    return err({ code: status.FAILED_PRECONDITION, message: found.error });
  };

  const enrol = async (
    keys: StoredIdentity,
    signal: AbortSignal,
  ): Promise<Result<void, CallFailure>> => {
    const authority = await verifiedAuthority(keys, signal);
    if (!authority.ok) return authority;
    const client = openEnrolment(dependencies.enrolAddress, authority.value);
    try {
      const token = dependencies.joinToken?.reveal() ?? '';
      // The token counts once. After that, or when its answer was lost, the hub knows the key.
      const tokens = keys.issued === undefined && token !== '' ? [token, ''] : ['', token];
      let last: CallFailure = { code: status.UNAUTHENTICATED, message: 'no join token is given' };
      for (const joinToken of new Set(tokens)) {
        const answer = await callUnary<{ identity?: Parameters<typeof issuedIdentity>[0] }>(
          (options, callback) =>
            client.enroll(
              {
                joinToken,
                clusterName: dependencies.clusterName,
                certificateSigningRequest: certificateSigningRequest(keys.clusterKeyPem),
                natsPublicKey: natsPublicKey(keys.natsSeed),
                clusterUid: dependencies.clusterUid,
                agentVersion: dependencies.agentVersion,
                claims: { ...dependencies.claims() },
              },
              new Metadata(),
              options,
              callback,
            ),
          signal,
        );
        if (answer.ok) {
          const issued = issuedIdentity(answer.value.identity, clock.now());
          if (!issued.ok) return err({ code: status.INTERNAL, message: issued.error });
          const joined = joinToken !== '' || keys.issued === undefined;
          await take(keys, issued.value, joined);
          return ok(undefined);
        }
        last = answer.error;
        if (!isRefusal(last)) break;
      }
      return err(last);
    } finally {
      client.close();
    }
  };

  const renew = async (
    keys: StoredIdentity,
    identity: HubIdentity,
    signal: AbortSignal,
  ): Promise<Result<void, CallFailure>> => {
    const client = openLink(identity);
    try {
      const answer = await callUnary<{ identity?: Parameters<typeof issuedIdentity>[0] }>(
        (options, callback) =>
          client.renew(
            {
              certificateSigningRequest: certificateSigningRequest(keys.clusterKeyPem),
              natsPublicKey: natsPublicKey(keys.natsSeed),
              agentVersion: dependencies.agentVersion,
              claims: { ...dependencies.claims() },
            },
            new Metadata(),
            options,
            callback,
          ),
        signal,
      );
      if (!answer.ok) return answer;
      const issued = issuedIdentity(answer.value.identity, clock.now());
      if (!issued.ok) return err({ code: status.INTERNAL, message: issued.error });
      await take(keys, issued.value, false);
      return ok(undefined);
    } finally {
      client.close();
    }
  };

  /** One step towards a valid identity; gives how long to wait before the next. */
  const step = async (
    keys: StoredIdentity,
    backoffMs: () => number,
    signal: AbortSignal,
  ): Promise<number> => {
    const identity = current();
    const expired = identity === undefined || clock.now() >= expiresAtMs(identity);
    let result =
      expired || identity === undefined
        ? await enrol(keys, signal)
        : await renew(keys, identity, signal);
    // Refused, or not even heard: the enrolment address knows a cluster by its key, whatever its certificate.
    if (!result.ok && !expired && (isRefusal(result.error) || suspect)) {
      suspect = false;
      result = await enrol(keys, signal);
    }
    if (result.ok || signal.aborted) return 0;
    const { code, message: reason } = result.error;
    const refused = isRefusal(result.error) || code === status.RESOURCE_EXHAUSTED;
    const pinned = code === status.FAILED_PRECONDITION;
    state = refused || pinned ? 'refused' : expired ? 'enrolling' : 'valid';
    message = refused
      ? `The hub at ${dependencies.enrolAddress} refuses this cluster (${reason}). If it was not revoked, add it again and apply the new install manifest.`
      : `The hub at ${dependencies.enrolAddress} gives no identity: ${reason}`;
    logger.warn({ reason, code }, 'no new identity');
    if (!refused && !pinned) return backoffMs();
    return refusedMs.min + random.nextFraction() * (refusedMs.max - refusedMs.min);
  };

  const renewAtMs = (identity: HubIdentity): number =>
    // Within a tenth around half life, so that agents that joined together spread.
    identity.receivedAtMs + identity.lifetimeMs * (0.45 + 0.1 * fractionOf(identity.serial));

  const run = async (signal: AbortSignal): Promise<void> => {
    const backoff = createBackoff(linkBackoffMsMin, linkBackoffMsMax, random);
    while (stored === undefined && !signal.aborted) {
      try {
        stored = await loadOrMakeKeys();
      } catch (error) {
        message = `The identity cannot be stored or read: ${(error as Error).message}`;
        logger.error({ error: (error as Error).message }, 'the identity store fails');
        await pause(backoff.next(), signal);
      }
    }
    backoff.reset();
    if (current() !== undefined) {
      state = 'valid';
      for (const listener of listeners) listener();
    }
    while (!signal.aborted && stored !== undefined) {
      const identity = current();
      if (identity !== undefined && !suspect) {
        const leftMs = renewAtMs(identity) - clock.now();
        // A clock that went back says nothing about the certificate's age, so it is renewed at once.
        if (leftMs > 0 && clock.now() >= identity.receivedAtMs) {
          await poke.wait(Math.min(leftMs, sleepMsMax), signal);
          continue;
        }
      }
      try {
        const waitMs = await step(stored, backoff.next, signal);
        if (waitMs === 0) backoff.reset();
        else await pause(waitMs, signal);
      } catch (error) {
        message = `The identity cannot be stored: ${(error as Error).message}`;
        logger.error({ error: (error as Error).message }, 'the identity store fails');
        await pause(backoff.next(), signal);
      }
    }
  };

  return {
    run,
    current,
    first: async (signal) => {
      for (;;) {
        const identity = current();
        if (identity !== undefined || signal.aborted) return identity;
        const changed = createPulse();
        listeners.add(changed.pulse);
        await changed.wait(sleepMsMax, signal);
        listeners.delete(changed.pulse);
      }
    },
    status: () => {
      const identity = current();
      const end = identity === undefined ? 0 : expiresAtMs(identity);
      return { state, message, serial: identity?.serial ?? '', expiresAtMs: end };
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    refused: () => {
      suspect = true;
      poke.pulse();
    },
  };
}

/** A fraction in [0, 1) that is the same for one certificate over restarts. */
const fractionOf = (serial: string): number =>
  (Number.parseInt(serial.replace(/[^0-9a-f]/gi, '').slice(-6) || '0', 16) % 1_000) / 1_000;

function authoritiesOf(caPem: string): string[] {
  const blocks = caPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => keyHashOf(new X509Certificate(block)));
}

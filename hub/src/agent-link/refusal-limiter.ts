import { isIPv6 } from 'node:net';
import type { Instant } from '@fairlead/shared/time';
import { enrolmentAddressesMax, enrolmentRefusalsPerMinuteMax } from '../limits.ts';

const windowMs = 60_000;

export type RefusalLimiter = {
  /** False once an address was refused too often within the last minute. */
  readonly mayTry: (address: string, at: Instant) => boolean;
  readonly refused: (address: string, at: Instant) => void;
};

/** At most ten refused tries a minute and address. Accepted ones leave no trace, so a fleet behind one address can join. */
export function createRefusalLimiter(): RefusalLimiter {
  const refusals = new Map<string, Instant[]>();
  const recent = (key: string, at: Instant) =>
    (refusals.get(key) ?? []).filter((time) => time > at - windowMs);
  return {
    mayTry: (address, at) => recent(networkOf(address), at).length < enrolmentRefusalsPerMinuteMax,
    refused: (address, at) => {
      const key = networkOf(address);
      const times = [...recent(key, at), at].slice(-enrolmentRefusalsPerMinuteMax);
      refusals.delete(key);
      refusals.set(key, times);
      const oldest =
        refusals.size > enrolmentAddressesMax ? refusals.keys().next().value : undefined;
      if (oldest !== undefined) refusals.delete(oldest);
    },
  };
}

/** What counts as one address: the owner of one IPv6 address has a whole /64 of them. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  return [...groups, ...Array<string>(zeros).fill('0'), ...rest].slice(0, 4).join(':');
}

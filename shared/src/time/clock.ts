/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number;

/** A port with two implementations: the system's, and the simulator's. */
export type Clock = { readonly now: () => Instant };

/** A port: `nextId` gives 26 characters of a-z and 0-9 that sort by time of creation; `nextFraction` is in [0, 1). */
export type Random = { readonly nextId: () => string; readonly nextFraction: () => number };

export const systemClock: Clock = { now: () => Date.now() };

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** ULID-shaped ids: 48 bits of time, then 80 random bits, in Crockford's base 32, lower case. */
export const systemRandom: Random = {
  nextFraction: () => Math.random(),
  nextId: () => {
    let time = Date.now();
    let head = '';
    for (let index = 0; index < 10; index++) {
      head = alphabet[time % 32] + head;
      time = Math.floor(time / 32);
    }
    const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
    return head + Array.from(bytes, (byte) => alphabet[byte % 32]).join('');
  },
};

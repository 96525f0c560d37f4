export type PacingLimits = { readonly inFlightMax: number };

/**
 * How many requests may wait for an answer at once. The API server's own fairness decides how much an agent gets, and says
 * so by refusing (429, 503): each refusal halves the number, each answer raises it by a fraction, so that about one more
 * is tried in the time of one round. It is the congestion control of TCP (RFC 5681); a fixed rate would be too slow for
 * an idle server and too fast for a busy one.
 */
export type Pacing = {
  /** `undefined`: go at once. Otherwise a place that is given in turn; it rejects when the signal is aborted. */
  readonly enter: (signal?: AbortSignal) => Promise<void> | undefined;
  /** Every entered request leaves once. */
  readonly leave: (answer: 'served' | 'refused' | 'none', enteredAt: number) => void;
  /** Stamps a request, so that refusals of one burst halve the number once. */
  readonly round: () => number;
  readonly inFlightLimit: () => number;
};

type Waiting = { readonly resolve: () => void };

export function createPacing({ inFlightMax }: PacingLimits): Pacing {
  let limit = inFlightMax;
  let inFlight = 0;
  let round = 0;
  const queue = new Set<Waiting>();

  const admit = () => {
    for (const waiting of queue) {
      if (inFlight >= Math.floor(limit)) return;
      queue.delete(waiting);
      inFlight++;
      waiting.resolve();
    }
  };

  return {
    enter: (signal) => {
      if (inFlight < Math.floor(limit) && queue.size === 0) {
        inFlight++;
        return undefined;
      }
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const stop = () => {
        if (queue.delete(waiting)) reject(signal?.reason);
      };
      const waiting: Waiting = {
        resolve: () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        },
      };
      signal?.addEventListener('abort', stop, { once: true });
      queue.add(waiting);
      return promise;
    },
    leave: (answer, enteredAt) => {
      inFlight--;
      if (answer === 'served') limit = Math.min(inFlightMax, limit + 1 / limit);
      if (answer === 'refused' && enteredAt >= round) {
        limit = Math.max(1, limit / 2);
        round++;
      }
      admit();
    },
    round: () => round,
    inFlightLimit: () => Math.floor(limit),
  };
}

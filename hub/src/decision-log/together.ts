/** What is asked for at one moment, done in one go; the answers come in order. */
export type Together<Unit, Outcome> = {
  readonly add: (unit: Unit) => Promise<Outcome>;
  /** Does at once what waits. */
  readonly flush: () => void;
};

/**
 * Gathers what callers ask for who run side by side, and does it before anything else of the event loop, at most `sizeMax`
 * of it at a time (one unit that is larger goes alone). Where each go waits for a disk, many callers wait once; and no
 * caller waits for others that might come.
 */
export function createTogether<Unit, Outcome>(options: {
  readonly run: (units: readonly Unit[]) => readonly Outcome[];
  readonly sizeOf: (unit: Unit) => number;
  readonly sizeMax: number;
}): Together<Unit, Outcome> {
  const { run, sizeOf, sizeMax } = options;
  type Waiting = { readonly unit: Unit; readonly settled: PromiseWithResolvers<Outcome> };
  let waiting: Waiting[] = [];
  let isPlanned = false;

  const next = (): Waiting[] => {
    let size = 0;
    const end = waiting.findIndex(({ unit }, index) => {
      size += sizeOf(unit);
      return size > sizeMax && index > 0;
    });
    const taken = end < 0 ? waiting : waiting.slice(0, end);
    waiting = waiting.slice(taken.length);
    return taken;
  };

  const flush = () => {
    isPlanned = false;
    while (waiting.length > 0) {
      const taken = next();
      try {
        const outcomes = run(taken.map(({ unit }) => unit));
        for (const [index, { settled }] of taken.entries()) {
          settled.resolve(outcomes[index] as Outcome);
        }
      } catch (error) {
        for (const { settled } of taken) settled.reject(error);
      }
    }
  };

  return {
    add: (unit) => {
      const settled = Promise.withResolvers<Outcome>();
      waiting.push({ unit, settled });
      if (!isPlanned) queueMicrotask(flush);
      isPlanned = true;
      return settled.promise;
    },
    flush,
  };
}

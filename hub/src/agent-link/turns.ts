/** Runs the work of one key in its order of arrival, one after the other. `undefined` when too much waits already. */
export type Turns = <Value>(key: string, work: () => Promise<Value>) => Promise<Value> | undefined;

export function createTurns(waitingMax: number): Turns {
  const tails = new Map<string, { tail: Promise<unknown>; waiting: number }>();
  return (key, work) => {
    const entry = tails.get(key) ?? { tail: Promise.resolve(), waiting: 0 };
    if (entry.waiting >= waitingMax) return undefined;
    entry.waiting++;
    tails.set(key, entry);
    const done = entry.tail.then(work);
    entry.tail = done
      .catch(() => undefined)
      .then(() => {
        if (--entry.waiting === 0) tails.delete(key);
      });
    return done;
  };
}

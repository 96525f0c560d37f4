type Entry = { readonly atMs: number; readonly order: number; run: (() => void) | undefined };

/** Time that passes only when the simulator takes the next event; equal times keep the order of their making. */
export type VirtualTime = {
  readonly nowMs: () => number;
  /** Calls once; the answer takes it back. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  /** Runs the next event and all that follows from it without time; false when nothing is left before `untilMs`. */
  readonly step: (untilMs: number) => Promise<boolean>;
  readonly eventsRun: () => number;
};

/** Every promise that can resolve without time has resolved once Node comes to its next tick. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

export function createVirtualTime(): VirtualTime {
  const heap: Entry[] = [];
  let nowMs = 0;
  let made = 0;
  let eventsRun = 0;

  const isBefore = (left: Entry, right: Entry) =>
    left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
  const swap = (left: number, right: number) => {
    const entry = heap[left] as Entry;
    heap[left] = heap[right] as Entry;
    heap[right] = entry;
  };
  const push = (entry: Entry) => {
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      swap(at, parent);
      at = parent;
    }
  };
  const pop = (): Entry | undefined => {
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      for (const child of [left, right]) {
        const entry = heap[child];
        if (entry !== undefined && isBefore(entry, heap[least] as Entry)) least = child;
      }
      if (least === at) return top;
      swap(at, least);
      at = least;
    }
  };

  return {
    nowMs: () => nowMs,
    eventsRun: () => eventsRun,
    after: (delayMs, run) => {
      const atMs = nowMs + Math.max(0, Number.isFinite(delayMs) ? delayMs : 0);
      const entry: Entry = { atMs, order: made++, run };
      push(entry);
      return () => {
        entry.run = undefined;
      };
    },
    step: async (untilMs) => {
      for (;;) {
        const next = heap[0];
        if (next === undefined || next.atMs > untilMs) {
          nowMs = Math.max(nowMs, untilMs);
          return false;
        }
        pop();
        if (next.run === undefined) continue;
        nowMs = next.atMs;
        eventsRun++;
        next.run();
        await settled();
        return true;
      }
    },
  };
}

/**
 * Puts virtual timers in the place of Node's for this thread, so that every wait of the hub and of the agents is an
 * event of the simulator. Chance and clocks that were not passed in would make two runs differ: those throw.
 */
export function replaceTimers(current: () => VirtualTime): void {
  const timerOf = (start: () => () => void) => {
    let cancel = start();
    const timer = {
      ref: () => timer,
      unref: () => timer,
      hasRef: () => true,
      refresh: () => {
        cancel();
        cancel = start();
        return timer;
      },
      close: () => {
        cancel();
        return timer;
      },
      [Symbol.dispose]: () => cancel(),
    };
    return timer;
  };
  type Run = (...given: unknown[]) => void;
  const clear = (timer: { close?: () => void } | undefined) => timer?.close?.();
  const forbidden = (what: string) => () => {
    throw new Error(`${what} was used in the simulator: pass a Clock or a Random instead`);
  };
  Object.assign(globalThis, {
    setTimeout: (run: Run, delayMs = 0, ...given: unknown[]) =>
      timerOf(() => current().after(delayMs, () => run(...given))),
    setInterval: (run: Run, delayMs = 0, ...given: unknown[]) => {
      const timer: ReturnType<typeof timerOf> = timerOf(() =>
        current().after(Math.max(1, delayMs), () => {
          timer.refresh();
          run(...given);
        }),
      );
      return timer;
    },
    setImmediate: (run: Run, ...given: unknown[]) =>
      timerOf(() => current().after(0, () => run(...given))),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  });
  performance.now = () => current().nowMs();
  Date.now = forbidden('Date.now');
  Math.random = forbidden('Math.random');
  crypto.getRandomValues = forbidden('crypto.getRandomValues');
}

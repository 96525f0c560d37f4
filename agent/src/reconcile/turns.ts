/** Gives each item turns: at most `inParallelMax` items at once, never one item twice, urgent ones first. */
export type Turns<Item> = {
  readonly wake: (item: Item, isUrgent?: boolean) => void;
  readonly wakeAt: (item: Item, atMs: number) => void;
  readonly isIdle: () => boolean;
  /** Items that wait for a place, in the order in which they get one; of urgent ones none is told. */
  readonly waiting: () => Iterable<Item>;
  /** Items wait for a place. */
  readonly isCrowded: () => boolean;
  /** Resolves when no turn is under way; no new one begins after the signal was aborted. */
  readonly drained: () => Promise<void>;
};

type Waiting = { timer: NodeJS.Timeout; atMs: number };

export type TurnsOptions<Item> = {
  readonly inParallelMax: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Must not reject. */
  readonly take: (item: Item) => Promise<void>;
};

export function createTurns<Item>(options: TurnsOptions<Item>): Turns<Item> {
  const { inParallelMax, now, signal, take } = options;
  const urgent = new Set<Item>();
  const queue = new Set<Item>();
  const running = new Set<Item>();
  /** Woken while they had their turn, so they get another one. */
  const again = new Map<Item, boolean>();
  const timers = new Map<Item, Waiting>();
  let emptied: (() => void)[] = [];

  const next = (): Item | undefined => {
    for (const lane of [urgent, queue]) {
      for (const item of lane) {
        urgent.delete(item);
        queue.delete(item);
        return item;
      }
    }
    return undefined;
  };

  const pump = () => {
    while (running.size < inParallelMax && !signal.aborted) {
      const item = next();
      if (item === undefined) break;
      running.add(item);
      void take(item).finally(() => {
        running.delete(item);
        const isUrgent = again.get(item);
        again.delete(item);
        if (isUrgent !== undefined) (isUrgent ? urgent : queue).add(item);
        pump();
      });
    }
    if (running.size === 0) {
      for (const resolve of emptied) resolve();
      emptied = [];
    }
  };

  const clear = (item: Item) => {
    clearTimeout(timers.get(item)?.timer);
    timers.delete(item);
  };

  const wake = (item: Item, isUrgent = false) => {
    if (signal.aborted) return;
    if (running.has(item)) again.set(item, isUrgent || again.get(item) === true);
    else {
      (isUrgent ? urgent : queue).add(item);
      pump();
    }
  };

  signal.addEventListener('abort', () => [...timers.keys()].forEach(clear), { once: true });

  return {
    wake,
    wakeAt: (item, atMs) => {
      const waiting = timers.get(item);
      if (signal.aborted || (waiting && waiting.atMs <= atMs)) return;
      clear(item);
      const timer = setTimeout(
        () => {
          timers.delete(item);
          wake(item);
        },
        Math.max(0, atMs - now()),
      );
      timers.set(item, { timer, atMs });
    },
    waiting: () => queue,
    isIdle: () => running.size === 0 && urgent.size === 0 && queue.size === 0,
    isCrowded: () => urgent.size + queue.size > 0,
    drained: () =>
      running.size === 0 ? Promise.resolve() : new Promise((resolve) => emptied.push(resolve)),
  };
}

/** Timers that keep no program alive and end with the signal; one listener serves all of them. */
export function createTimers(signal: AbortSignal) {
  const timers = new Set<NodeJS.Timeout>();
  signal.addEventListener(
    'abort',
    () => {
      for (const timer of timers) clearTimeout(timer);
    },
    { once: true },
  );
  return {
    later: (delayMs: number, task: () => void): NodeJS.Timeout => {
      const timer = setTimeout(
        () => {
          timers.delete(timer);
          task();
        },
        Math.max(0, delayMs),
      );
      timer.unref();
      timers.add(timer);
      return timer;
    },
    forget: (timer: NodeJS.Timeout | undefined): void => {
      clearTimeout(timer);
      if (timer !== undefined) timers.delete(timer);
    },
  };
}

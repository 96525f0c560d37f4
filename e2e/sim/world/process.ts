import type { VirtualTime } from './virtual-time.ts';

/**
 * A running program. Each of its steps to the world (a request, a write, a sync) is a boundary at which it may end: what
 * comes after has no effect and no answer, as after `kill -9`.
 */
export type SimulatedProcess = {
  readonly signal: AbortSignal;
  readonly isAlive: () => boolean;
  /** Waits for the world; never resolves in a process that has ended. */
  readonly boundary: (name: string, durationMs: number) => Promise<void>;
  /** Before a write that needs no wait; false when it must not happen. */
  readonly mayWrite: (name: string) => boolean;
  /** The process ends at its so-manieth boundary from now. */
  readonly endAfter: (boundaries: number) => void;
  readonly end: () => void;
};

export function createProcess(options: {
  readonly time: VirtualTime;
  readonly onBoundary: (name: string) => void;
  readonly onEnd: () => void;
}): SimulatedProcess {
  const { time, onBoundary, onEnd } = options;
  const life = new AbortController();
  let left = Number.POSITIVE_INFINITY;
  const end = () => {
    if (life.signal.aborted) return;
    life.abort(new Error('the process was killed'));
    onEnd();
  };
  const pass = (name: string): boolean => {
    if (life.signal.aborted) return false;
    onBoundary(name);
    if (--left <= 0) end();
    return !life.signal.aborted;
  };
  return {
    signal: life.signal,
    isAlive: () => !life.signal.aborted,
    boundary: (name, durationMs) =>
      new Promise((resolve) => {
        if (!pass(name)) return;
        time.after(durationMs, () => {
          if (!life.signal.aborted) resolve();
        });
      }),
    mayWrite: pass,
    endAfter: (boundaries) => {
      left = boundaries;
    },
    end,
  };
}

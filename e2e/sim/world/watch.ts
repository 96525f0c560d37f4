import { watchedTickMs } from '../../../hub/src/limits.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Milliseconds that hubs have watched: it is kept on disk, only grows, and takes at most one tick for any gap. */
export type Watch = { readonly watchedMs: () => number };

export function createWatch(time: VirtualTime): Watch {
  let watchedMs = 0;
  let lookedAtMs = 0;
  return {
    watchedMs: () => {
      watchedMs += Math.min(watchedTickMs, time.nowMs() - lookedAtMs);
      lookedAtMs = time.nowMs();
      return watchedMs;
    },
  };
}

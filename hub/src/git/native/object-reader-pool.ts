import { gitObjectReaderIdleMs, gitObjectReadersMax } from '../../limits.ts';
import {
  createObjectReader,
  type ObjectReader,
  type ObjectReaderOptions,
} from './object-reader.ts';

export type ObjectReaderPool = {
  readonly readerOf: (directory: string) => ObjectReader;
  readonly drop: (directory: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

type Pooled = { readonly reader: ObjectReader; readonly idleTimer: NodeJS.Timeout };

/** One reader a mirror, most recently used last; idle ones end after a while or when there are too many. */
export function createObjectReaderPool(
  optionsOf: (directory: string) => ObjectReaderOptions,
): ObjectReaderPool {
  const pooled = new Map<string, Pooled>();
  const drop = async (directory: string) => {
    const entry = pooled.get(directory);
    if (entry === undefined) return;
    pooled.delete(directory);
    clearTimeout(entry.idleTimer);
    await entry.reader.close();
  };
  const dropWhenIdle = (directory: string) => {
    const entry = pooled.get(directory);
    if (entry && entry.reader.waiting() > 0) entry.idleTimer.refresh();
    else void drop(directory);
  };
  const start = (directory: string): Pooled => ({
    reader: createObjectReader(optionsOf(directory)),
    idleTimer: setTimeout(() => dropWhenIdle(directory), gitObjectReaderIdleMs).unref(),
  });
  const makeRoom = () => {
    if (pooled.size < gitObjectReadersMax) return;
    const idle = [...pooled].find(([, { reader }]) => reader.waiting() === 0);
    if (idle) void drop(idle[0]);
  };
  return {
    drop,
    readerOf: (directory) => {
      const existing = pooled.get(directory);
      const usable = existing && !existing.reader.ended() ? existing : undefined;
      if (existing && !usable) clearTimeout(existing.idleTimer);
      pooled.delete(directory);
      if (usable === undefined) makeRoom();
      const entry = usable ?? start(directory);
      entry.idleTimer.refresh();
      pooled.set(directory, entry);
      return entry.reader;
    },
    close: async () => {
      await Promise.all([...pooled.keys()].map(drop));
    },
  };
}

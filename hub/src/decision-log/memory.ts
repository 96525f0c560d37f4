import { ProblemError, problem } from '@fairlead/shared/problem';
import { err, ok, type Result } from '@fairlead/shared/result';
import { appendEventsMax, logPageEntriesMax } from '../limits.ts';
import { type ChainEnd, chainFault, genesisHash } from './chain.ts';
import { checkedEvent, notify, recordedEvent, rowOf } from './entry.ts';
import { DecisionLogCorruptError } from './errors.ts';
import type {
  AppendRequest,
  DecisionLog,
  RecordedEvent,
  StreamGuard,
  Verification,
  VersionConflict,
} from './port.ts';
import type { LogRow } from './schema.ts';

/** Holds what was committed, and outlives the logs that are opened on it, as a disk does. */
export type MemoryLogDisk = {
  readonly rows: () => readonly LogRow[];
  readonly ofStream: (stream: string) => readonly LogRow[];
  /** Kept apart from the rows, so that entries cut off the end are missed. */
  readonly everAppended: () => number;
  readonly commit: (rows: readonly LogRow[]) => void;
  /** Writes over what is there, as a broken disk or an intruder does. */
  readonly overwrite: (rows: readonly LogRow[]) => void;
};

export function createMemoryLogDisk(): MemoryLogDisk {
  let rows: LogRow[] = [];
  let byStream = new Map<string, LogRow[]>();
  let everAppended = 0;
  const index = (row: LogRow) => {
    const stream = byStream.get(row.stream);
    if (stream === undefined) byStream.set(row.stream, [row]);
    else stream.push(row);
  };
  return {
    rows: () => rows,
    ofStream: (stream) => byStream.get(stream) ?? [],
    everAppended: () => everAppended,
    commit: (added) => {
      for (const row of added) {
        rows.push(row);
        index(row);
      }
      everAppended = Math.max(everAppended, rows.at(-1)?.position ?? 0);
    },
    overwrite: (next) => {
      rows = [...next];
      byStream = new Map();
      for (const row of rows) index(row);
    },
  };
}

export type MemoryLogOptions = {
  readonly disk: MemoryLogDisk;
  readonly verifyOnOpen?: boolean;
  /**
   * Awaited before an append is committed, after it and before a read. One that never resolves is the end of the
   * process there: what was not committed is lost, and what was committed stays although its writer never heard of it.
   */
  readonly boundary?: (at: 'append' | 'appended' | 'read') => Promise<void>;
};

/** A decision log in memory, with the order, the conflicts and the chain of the durable ones. */
export async function openMemoryDecisionLog(options: MemoryLogOptions): Promise<DecisionLog> {
  const { disk, verifyOnOpen = true } = options;
  if (verifyOnOpen) {
    const verification = verifyRows(disk, { position: 0, hash: genesisHash });
    if (!verification.valid) {
      throw new DecisionLogCorruptError(verification.position, verification.reason);
    }
  }
  return createLog(disk, options.boundary);
}

function createLog(disk: MemoryLogDisk, boundary: MemoryLogOptions['boundary']): DecisionLog {
  const listeners = new Set<(headPosition: number) => void>();

  const appendAll = async (
    requests: readonly AppendRequest[],
  ): Promise<Result<readonly RecordedEvent[], VersionConflict>> => {
    const count = requests.reduce((total, request) => total + request.events.length, 0);
    if (count > appendEventsMax) {
      throw new ProblemError(
        problem('payload_too_large', `An append takes at most ${appendEventsMax} events.`),
      );
    }
    await boundary?.('append');
    const moved = requests.flatMap(({ guards = [] }) =>
      guards.flatMap((guard) => movedFrom(disk, guard)),
    );
    if (moved[0] !== undefined) return err(moved[0]);
    const rows: LogRow[] = [];
    let end = endOf(disk);
    for (const request of requests) {
      const { stream, expectedVersion } = request;
      const actualVersion = disk.ofStream(stream).at(-1)?.version ?? 0;
      if (actualVersion !== expectedVersion) {
        return err({ code: 'version_conflict', stream, expectedVersion, actualVersion });
      }
      for (const [index, event] of request.events.entries()) {
        const row = rowOf(request, event, end, actualVersion + index + 1);
        rows.push(row);
        end = { position: row.position, hash: row.hash };
      }
    }
    disk.commit(rows);
    await boundary?.('appended');
    if (count > 0) notify(listeners, end.position, undefined);
    return ok(rows.map(recordedEvent));
  };

  return {
    append: (request) => appendAll([request]),
    appendAll,
    readStream: async function* (stream, fromVersion = 1) {
      await boundary?.('read');
      for (let after = fromVersion - 1; ; ) {
        const page = streamAfter(disk, stream, after);
        for (const row of page) yield checkedEvent(row, hashBefore(disk, row));
        if (page.length === 0) return;
        after = page.at(-1)?.version ?? after;
      }
    },
    lastOfStream: async (stream) => {
      await boundary?.('read');
      const row = disk.ofStream(stream).at(-1);
      return row && checkedEvent(row, hashBefore(disk, row));
    },
    readAfter: async (position, limit) => {
      await boundary?.('read');
      const rows = disk.rows();
      const start = rows.findLastIndex((row) => row.position <= position) + 1;
      return rows
        .slice(start, start + Math.min(limit, logPageEntriesMax))
        .map((row) => checkedEvent(row, hashBefore(disk, row)));
    },
    headPosition: async () => endOf(disk).position,
    onAppended: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    verify: async (after) => verifyRows(disk, after ?? { position: 0, hash: genesisHash }),
    close: async () => listeners.clear(),
  };
}

function movedFrom(disk: MemoryLogDisk, { stream, version }: StreamGuard): VersionConflict[] {
  const actualVersion = disk.ofStream(stream).at(-1)?.version ?? 0;
  if (actualVersion === version) return [];
  return [{ code: 'version_conflict', stream, expectedVersion: version, actualVersion }];
}

function endOf(disk: MemoryLogDisk): ChainEnd {
  const { position = 0, hash = genesisHash } = disk.rows().at(-1) ?? {};
  return { position, hash };
}

function streamAfter(disk: MemoryLogDisk, stream: string, version: number): readonly LogRow[] {
  const rows = disk.ofStream(stream);
  if ((rows.at(-1)?.version ?? 0) <= version) return [];
  return rows.filter((row) => row.version > version);
}

/** Of the entry before, as long as the positions are whole. */
const hashBefore = (disk: MemoryLogDisk, { position }: LogRow): string | null =>
  disk.rows()[position - 2]?.hash ?? null;

function verifyRows(disk: MemoryLogDisk, from: ChainEnd): Verification {
  const rows = disk.rows();
  const start = rows.findIndex(({ position }) => position === from.position);
  if (from.position > 0 && rows[start]?.hash !== from.hash) {
    const reason = 'the verified entry to start after is gone or was changed';
    return { valid: false, position: from.position, reason };
  }
  let end = from;
  for (const row of rows.slice(from.position > 0 ? start + 1 : 0)) {
    const reason = chainFault(end, row);
    if (reason !== undefined) return { valid: false, position: end.position + 1, reason };
    end = row;
  }
  if (disk.everAppended() > end.position) {
    const reason = `the log was cut: ${disk.everAppended()} entries were written`;
    return { valid: false, position: end.position + 1, reason };
  }
  return { valid: true, position: end.position, hash: end.hash };
}

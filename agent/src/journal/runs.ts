import { eq, sql } from 'drizzle-orm';
import type { PendingResult, RunRecord, VerificationJournal } from '../verification/index.ts';
import { JournalDamagedError, type JournalDatabase, rowChecksum } from './database.ts';
import { verificationRuns } from './schema.ts';

export type RunJournal = Pick<
  VerificationJournal,
  'saveRun' | 'loadRuns' | 'forgetRun' | 'requeueResult'
> & {
  readonly pendingResults: (resultsMax: number) => readonly PendingResult[];
  /** No effect on a result that was queued again meanwhile. */
  readonly markResultSent: (runId: string, tries: number) => void;
  /** Every result waits again. */
  readonly requeueResults: () => void;
};

type Row = typeof verificationRuns.$inferSelect;

/** Runs by id. What a result holds is bounded, and so is the number of runs, so the table needs no limit of its own. */
export function createRunJournal({ orm }: JournalDatabase): RunJournal {
  const byId = orm
    .select()
    .from(verificationRuns)
    .where(eq(verificationRuns.runId, sql.placeholder('runId')))
    .prepare();

  const write = (row: Omit<Row, 'checksum'>): void => {
    const checksum = checksumOf(row);
    orm
      .insert(verificationRuns)
      .values({ ...row, checksum })
      .onConflictDoUpdate({ target: verificationRuns.runId, set: { ...row, checksum } })
      .run();
  };
  const requeue = (row: Row | undefined): void => {
    if (!row || row.pending === 1 || !recordOf(row).result) return;
    write({ ...row, pending: 1, tries: row.tries + 1 });
  };

  return {
    saveRun: (record) => {
      const { runId, result } = record;
      const before = byId.get({ runId });
      const isNews = result !== undefined && (!before || !recordOf(before).result);
      const pending = result === undefined ? 0 : isNews ? 1 : (before?.pending ?? 1);
      write({ runId, pending, tries: before?.tries ?? 0, body: JSON.stringify(record) });
    },
    loadRuns: () => orm.select().from(verificationRuns).all().map(recordOf),
    forgetRun: (runId) => {
      orm.delete(verificationRuns).where(eq(verificationRuns.runId, runId)).run();
    },
    requeueResult: (runId) => requeue(byId.get({ runId })),
    pendingResults: (resultsMax) =>
      orm
        .select()
        .from(verificationRuns)
        .where(eq(verificationRuns.pending, 1))
        .limit(resultsMax)
        .all()
        .flatMap((row) => {
          const { result } = recordOf(row);
          return result ? [{ result, tries: row.tries }] : [];
        }),
    markResultSent: (runId, tries) => {
      const row = byId.get({ runId });
      if (row?.pending === 1 && row.tries === tries) write({ ...row, pending: 0 });
    },
    requeueResults: () => {
      for (const row of orm.select().from(verificationRuns).all()) requeue(row);
    },
  };
}

export function verifyRuns(database: JournalDatabase): void {
  createRunJournal(database).loadRuns();
}

const checksumOf = ({ runId, pending, tries, body }: Omit<Row, 'checksum'>): number =>
  rowChecksum(runId, pending, tries, body);

function recordOf(row: Row): RunRecord {
  if (row.checksum !== checksumOf(row)) {
    throw new JournalDamagedError(`the verification run ${row.runId} has another checksum`);
  }
  return JSON.parse(row.body) as RunRecord;
}

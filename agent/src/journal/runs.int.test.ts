import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Journal, openJournal } from './index.ts';

const runId = '01jd0000000000000000000001';
const record = { runId, step: 'accepted', receivedAtMs: 1 } as const;
const result = {
  runId,
  outcome: 'passed',
  message: 'the Job has completed',
  logTail: 'ok\n',
  logTruncated: false,
} as const;
let folder: string;
let journal: Journal;
const file = () => join(folder, 'journal.sqlite');
const open = () => {
  journal = openJournal({ file: file(), clock: systemClock, random: systemRandom });
  return journal;
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'journal-'));
  open();
});
afterEach(() => {
  journal.close();
  rmSync(folder, { recursive: true, force: true });
});

it('runs and their results outlive the process, and a result waits until it was sent', () => {
  let told = 0;
  journal.onOutbox('result', () => told++);
  journal.saveRun(record);
  expect(told).toBe(0);
  journal.saveRun({ ...record, step: 'ended', result });
  expect(told).toBe(1);
  journal.close();
  open();
  expect(journal.loadRuns()).toEqual([{ ...record, step: 'ended', result }]);
  expect(journal.pendingResults(10)).toEqual([{ result, tries: 0 }]);
  journal.markResultSent(runId, 0);
  expect(journal.pendingResults(10)).toEqual([]);
  // Saved again for another reason, it does not wait again by itself.
  journal.saveRun({ ...record, step: 'ended', result });
  expect(journal.pendingResults(10)).toEqual([]);
  journal.requeueResult(runId);
  journal.requeueResult(runId);
  expect(journal.pendingResults(10)).toEqual([{ result, tries: 1 }]);
  // An answer to the try before says nothing of this one.
  journal.markResultSent(runId, 0);
  expect(journal.pendingResults(10)).toHaveLength(1);
  journal.forgetRun(runId);
  expect(journal.loadRuns()).toEqual([]);
});

it('a run that is not what was written puts the journal aside', () => {
  journal.saveRun(record);
  journal.close();
  const raw = new Database(file());
  raw.prepare("UPDATE verification_runs SET body = replace(body, 'accepted', 'started')").run();
  raw.close();
  open();
  expect(journal.loadRuns()).toEqual([]);
  const [event] = journal.readAudit({ after: 0, eventsMax: 1, bytesMax: 1e6 });
  expect(event?.kind).toBe('JournalReplaced');
});

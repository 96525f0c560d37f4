import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { UnitId } from '../domain/link/index.ts';
import { type Journal, JournalError, openJournal } from './index.ts';
import { assignmentOf, auditOf, reportOf } from './testing/index.ts';

let folder: string;
let open_: Journal[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'journal-'));
  open_ = [];
});
afterEach(() => {
  for (const journal of open_) journal.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(limits?: { auditRowsMax: number; outboxBytesMax: number }): Journal {
  const file = join(folder, 'journal.sqlite');
  const journal = openJournal({ file, clock: systemClock, random: systemRandom, limits });
  open_.push(journal);
  return journal;
}
const readAll = (journal: Journal) =>
  journal.readAudit({ after: 0, eventsMax: 1_000_000, bytesMax: 1e9 });

describe('assignments and inventories', () => {
  it('are there again after the journal was closed', () => {
    const first = open();
    first.acceptEpoch(3);
    first.saveAssignment(assignmentOf({ generation: 7 }));
    const unit = 'checkout/staging' as UnitId;
    const inventory = {
      epoch: 1,
      generation: 7,
      commit: 'c',
      renderedHash: 'h',
      state: 'settled' as const,
      entries: [],
    };
    first.saveInventory(unit, inventory);
    first.close();
    const again = open();
    expect(again.acceptedEpoch()).toBe(3);
    expect(again.loadAssignments()).toEqual([assignmentOf({ generation: 7 })]);
    expect(again.loadInventory(unit)).toEqual(inventory);
    again.removeInventory(unit);
    expect(again.loadInventory(unit)).toBeUndefined();
  });

  it('never go back to an older generation or epoch', () => {
    const journal = open();
    journal.saveAssignment(assignmentOf({ epoch: 2, generation: 5 }));
    expect(() => journal.saveAssignment(assignmentOf({ epoch: 2, generation: 4 }))).toThrow(
      JournalError,
    );
    expect(() => journal.saveAssignment(assignmentOf({ epoch: 1, generation: 9 }))).toThrow();
    journal.saveAssignment(assignmentOf({ epoch: 3, generation: 1 }));
    expect(journal.loadAssignments()[0]).toMatchObject({ epoch: 3, generation: 1 });
    journal.acceptEpoch(2);
    journal.acceptEpoch(1);
    expect(journal.acceptedEpoch()).toBe(2);
  });
});

describe('the audit outbox', () => {
  it('gives sequences without a gap and keeps its epoch over a restart', () => {
    const first = open();
    const epoch = first.agentEpoch();
    first.appendAudit([auditOf('one'), auditOf('two')]);
    first.close();
    const again = open();
    again.appendAudit([auditOf('three')]);
    expect(again.agentEpoch()).toBe(epoch);
    expect(readAll(again).map(({ sequence, kind, message }) => [sequence, kind, message])).toEqual([
      [1, 'JournalStarted', 'A fresh journal begins.'],
      [2, 'ObjectsApplied', 'one'],
      [3, 'ObjectsApplied', 'two'],
      [4, 'ObjectsApplied', 'three'],
    ]);
  });

  it('forgets what the hub confirms, and goes on counting', () => {
    const journal = open();
    journal.appendAudit([auditOf('one'), auditOf('two')]);
    journal.acknowledgeAudit('another-epoch', 99);
    expect(readAll(journal)).toHaveLength(3);
    journal.acknowledgeAudit(journal.agentEpoch(), 3);
    expect(readAll(journal)).toHaveLength(0);
    journal.appendAudit([auditOf('three')]);
    expect(readAll(journal)[0]?.sequence).toBe(4);
    expect(journal.outboxStatus()).toMatchObject({ auditLength: 1, auditSequence: 4 });
  });

  it('reads a batch within its size, and never less than one event', () => {
    const journal = open();
    journal.appendAudit(Array.from({ length: 10 }, () => auditOf('x'.repeat(1_000))));
    expect(journal.readAudit({ after: 1, eventsMax: 100, bytesMax: 4_000 })).toHaveLength(3);
    expect(journal.readAudit({ after: 1, eventsMax: 100, bytesMax: 10 })).toHaveLength(1);
    expect(journal.readAudit({ after: 9, eventsMax: 100, bytesMax: 1e6 })).toHaveLength(2);
  });

  it('R8: counts what does not fit in a gap record, without a gap in the sequences', () => {
    const journal = open({ auditRowsMax: 3, outboxBytesMax: 1e6 });
    journal.appendAudit([auditOf('one'), auditOf('two'), auditOf('lost'), auditOf('lost')]);
    journal.appendAudit([auditOf('lost', { kind: 'ObjectPruned' })]);
    const all = readAll(journal);
    expect(all.map((record) => [record.sequence, record.kind])).toEqual([
      [1, 'JournalStarted'],
      [2, 'ObjectsApplied'],
      [3, 'ObjectsApplied'],
      [4, 'AuditGap'],
    ]);
    expect(JSON.parse(all[3]?.details ?? '')).toMatchObject({
      dropped: 3,
      kinds: { ObjectsApplied: 2, ObjectPruned: 1 },
    });
    // What was read may be on its way, so a later loss is a record of its own.
    journal.appendAudit([auditOf('lost too')]);
    expect(
      readAll(journal)
        .map((record) => record.kind)
        .slice(3),
    ).toEqual(['AuditGap', 'AuditGap']);
    journal.acknowledgeAudit(journal.agentEpoch(), 5);
    journal.appendAudit([auditOf('kept')]);
    expect(readAll(journal).map((record) => [record.sequence, record.message])).toEqual([
      [6, 'kept'],
    ]);
  });

  it('R8: reports make room for audit events', () => {
    const journal = open({ auditRowsMax: 1_000, outboxBytesMax: 6_000 });
    for (let index = 0; index < 4; index++) {
      journal.putReport(reportOf({ unit: `p${index}/s` as UnitId, message: 'r'.repeat(1_000) }));
    }
    expect(journal.outboxStatus().reportsPending).toBeGreaterThan(2);
    journal.appendAudit([auditOf('a'.repeat(3_000)), auditOf('last')]);
    expect(readAll(journal).map((record) => record.kind)).not.toContain('AuditGap');
    const units = journal.pendingReports(10).map(({ report }) => report.unit);
    expect(units).not.toContain('p0/s');
    expect(journal.outboxStatus().bytes).toBeLessThanOrEqual(6_000);
  });

  it('starts a new life when the hub knows more of it than the disk', () => {
    const journal = open();
    journal.appendAudit([auditOf('waiting')]);
    const epoch = journal.agentEpoch();
    journal.acknowledgeAudit(epoch, 50);
    expect(journal.agentEpoch()).not.toBe(epoch);
    expect(readAll(journal).map(({ sequence, kind }) => [sequence, kind])).toEqual([
      [1, 'JournalRestarted'],
      [2, 'JournalStarted'],
      [3, 'ObjectsApplied'],
    ]);
  });
});

describe('the report outbox', () => {
  it('keeps the newest report of a unit, and a late confirmation does not hide a newer one', () => {
    const journal = open();
    journal.putReport(reportOf({ phase: 'applying' }));
    const [older] = journal.pendingReports(10);
    journal.putReport(reportOf({ phase: 'settled' }));
    journal.markReportsSent([{ unit: 'checkout/staging', sequence: older?.sequence ?? 0 }]);
    const [newer, ...others] = journal.pendingReports(10);
    expect(others).toEqual([]);
    expect(newer?.report.phase).toBe('settled');
    expect(newer?.sequence).toBe((older?.sequence ?? 0) + 1);
    expect(journal.unitsWithPendingReports(10)).toEqual([
      { unit: 'checkout/staging', sequence: newer?.sequence },
    ]);
    expect(journal.pendingReportOf('checkout/staging')).toEqual(newer);
    journal.markReportsSent([{ unit: 'checkout/staging', sequence: newer?.sequence ?? 0 }]);
    expect(journal.pendingReports(10)).toEqual([]);
    expect(journal.unitsWithPendingReports(10)).toEqual([]);
    expect(journal.pendingReportOf('checkout/staging')).toBeUndefined();
    journal.requeueReports();
    expect(journal.pendingReports(10)[0]?.sequence).toBe((newer?.sequence ?? 0) + 1);
  });
});

describe('a damaged journal', () => {
  it('is put aside; a fresh one with a new epoch says so', () => {
    const first = open();
    const epoch = first.agentEpoch();
    first.saveAssignment(assignmentOf());
    first.close();
    const file = join(folder, 'journal.sqlite');
    writeFileSync(file, readFileSync(file).fill(0x5a, 0, 600));
    const again = open();
    expect(again.agentEpoch()).not.toBe(epoch);
    expect(again.loadAssignments()).toEqual([]);
    expect(readAll(again)[0]).toMatchObject({ sequence: 1, kind: 'JournalReplaced' });
    expect(readdirSync(folder).some((name) => name.includes('.damaged-'))).toBe(true);
  });

  it('is not mistaken for one that another process holds or a newer agent wrote', () => {
    const holder = open();
    expect(() => open()).toThrow(/belongs to another agent process/);
    holder.close();
    const raw = new Database(join(folder, 'journal.sqlite'));
    raw.pragma('user_version = 99');
    raw.close();
    expect(() => open()).toThrow(/newer agent/);
    expect(readdirSync(folder).some((name) => name.includes('.damaged-'))).toBe(false);
  }, 20_000);

  it.each(['journal.sqlite', 'journal.sqlite-wal'])(
    'R4: one flipped bit in %s is found, or changes nothing that is read',
    (name) => {
      const first = open();
      first.saveAssignment(assignmentOf({ generation: 4 }));
      first.appendAudit([auditOf('one'), auditOf('two')]);
      first.putReport(reportOf());
      const expected = [first.loadAssignments(), readAll(first), first.pendingReports(9)];
      const copy = mkdtempSync(join(tmpdir(), 'copy-'));
      if (name.endsWith('-wal')) cpSync(folder, copy, { recursive: true });
      first.close();
      if (!name.endsWith('-wal')) cpSync(folder, copy, { recursive: true });
      const size = readFileSync(join(copy, name)).length;
      let seed = 20_240_601;
      for (let flip = 0; flip < 100; flip++) {
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
        const bit = seed % (size * 8);
        const trial = mkdtempSync(join(tmpdir(), 'flip-'));
        cpSync(copy, trial, { recursive: true });
        const bytes = readFileSync(join(trial, name));
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        writeFileSync(join(trial, name), bytes);
        using journal = openJournal({
          file: join(trial, 'journal.sqlite'),
          clock: systemClock,
          random: systemRandom,
        });
        const fresh = ['JournalReplaced', 'JournalRestarted'];
        if (!fresh.includes(readAll(journal)[0]?.kind ?? '')) {
          const read = [journal.loadAssignments(), readAll(journal), journal.pendingReports(9)];
          expect(read, `bit ${bit} of ${name}`).toEqual(expected);
        }
        rmSync(trial, { recursive: true, force: true });
      }
      rmSync(copy, { recursive: true, force: true });
    },
    60_000,
  );
});

describe('a killed agent', () => {
  it('R7: leaves sequences without a gap and every event that it had reported as written', async () => {
    const file = join(folder, 'journal.sqlite');
    let confirmed = 0;
    for (let kill = 0; kill < 5; kill++) {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'testing/append-until-killed.ts')],
        { stdio: ['pipe', 'pipe', 'inherit'] },
      );
      child.stdin.end(JSON.stringify({ file, from: confirmed }));
      const wanted = confirmed + 40 + kill * 13;
      let printed = '';
      for await (const chunk of child.stdout) {
        printed += chunk;
        const lines = printed.split('\n').slice(0, -1);
        confirmed = Number(lines.at(-1) ?? confirmed);
        if (confirmed >= wanted && !child.killed) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      const journal = open();
      const records = readAll(journal);
      expect(records.map(({ sequence }) => sequence)).toEqual(records.map((_, index) => index + 1));
      const numbers = records.filter(({ kind }) => kind === 'ObjectsApplied');
      expect(numbers.length).toBeGreaterThanOrEqual(confirmed);
      expect(numbers.map(({ message }) => Number(message))).toEqual(
        numbers.map((_, index) => index + 1),
      );
      confirmed = numbers.length;
      journal.close();
    }
  }, 60_000);
});

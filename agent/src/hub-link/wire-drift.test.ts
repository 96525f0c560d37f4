import { DriftChange, DriftState, Report } from '@fairlead/proto';
import { expect, test } from 'vitest';
import type { DriftReport, UnitReport } from '../domain/link/index.ts';
import type { ReportRecord } from '../journal/index.ts';
import { reportOf } from '../journal/testing/index.ts';
import { busMessageBytesMax } from '../limits.ts';
import { encodeReport } from './wire.ts';

const drift = (name: string, change: Partial<DriftReport> = {}): DriftReport => ({
  object: { group: 'apps', kind: 'Deployment', namespace: 'shop', name },
  state: 'reported',
  change: 'changed',
  managers: ['kubectl-edit'],
  differences: [{ path: 'spec.replicas', live: 7, desired: undefined }],
  differencesTotal: 1,
  ...change,
});

const sent = (change: Partial<UnitReport>) => {
  const record = { sequence: 1, observedAtMs: 1, report: { ...reportOf(), ...change } };
  const payload = encodeReport(record as ReportRecord, 'epoch-1');
  return { payload, report: Report.decode(payload) };
};

test('the drift of a unit goes with its report, with values as JSON', () => {
  const { report } = sent({
    drifts: [drift('web'), drift('api', { state: 'fight', change: 'deleted', differences: [] })],
    driftsTotal: 2,
    ignoredTotal: 3,
  });
  expect(report.drifts).toMatchObject({
    objects: [
      {
        object: { name: 'web' },
        state: DriftState.DRIFT_STATE_REPORTED,
        change: DriftChange.DRIFT_CHANGE_CHANGED,
        managers: ['kubectl-edit'],
        differences: [{ path: 'spec.replicas', liveJson: '7', desiredJson: '' }],
      },
      { state: DriftState.DRIFT_STATE_FIGHT, change: DriftChange.DRIFT_CHANGE_DELETED },
    ],
    objectsTotal: 2,
    ignoredTotal: 3,
  });
});

test('F39: a report with more drift than a message takes leaves objects out and counts them', () => {
  const differences = Array.from({ length: 20 }, (_, index) => ({
    path: `data.key-${index}-${'é'.repeat(400)}`,
    live: 'é'.repeat(1_000),
    desired: { nested: 'x'.repeat(1_000) },
  }));
  const drifts = Array.from({ length: 20 }, (_, index) =>
    drift(`web-${index}`, { differences, differencesTotal: 50 }),
  );
  const { payload, report } = sent({ drifts, driftsTotal: 400, ignoredTotal: 0 });
  expect(payload.length).toBeLessThan(busMessageBytesMax);
  expect(report.drifts?.objectsTotal).toBe(400);
  expect(report.drifts?.objects.length).toBeGreaterThan(0);
  for (const { liveJson } of report.drifts?.objects[0]?.differences ?? []) {
    expect(() => JSON.parse(liveJson)).not.toThrow();
  }
});

test('a report that an older agent left in the journal is sent without drift', () => {
  const { drifts: _, driftsTotal: __, ignoredTotal: ___, ...old } = reportOf() as UnitReport;
  const record = { sequence: 1, observedAtMs: 1, report: old } as unknown as ReportRecord;
  expect(Report.decode(encodeReport(record, 'epoch-1')).drifts).toBeUndefined();
});

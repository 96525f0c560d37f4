import { AuditBatch, Health, Phase, Report, VerificationOutcome } from '@fairlead/proto';
import type { ClusterId } from '@fairlead/shared/ids';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  clusterOfSubject,
  decodeAuditBatch,
  decodeBeat,
  decodeReport,
  PayloadInvalidError,
} from './payloads.ts';

const cluster = 'aaaaaaaaaaaaaaaaaaaaaaaaaa' as ClusterId;
const reference = { group: 'apps', kind: 'Deployment', namespace: 'checkout', name: 'web' };

const report = Report.encode({
  agentEpoch: 'e1',
  sequence: 3,
  pipeline: 'checkout',
  stage: 'staging',
  epoch: 1,
  generation: 2,
  commit: 'c'.repeat(40),
  phase: Phase.PHASE_WAITING,
  health: Health.HEALTH_PROGRESSING,
  message: 'waiting',
  terminal: false,
  objectsTotal: 80,
  objectsHealthy: 20,
  objects: Array.from({ length: 60 }, () => ({
    object: reference,
    health: Health.HEALTH_DEGRADED,
    message: 'x'.repeat(10),
  })),
  objectsTruncated: 0,
  observedAtMs: 9,
  pruneHeldObjects: 0,
  pruneHeld: [],
  pruneHeldDigest: '',
}).finish();

const audit = (sequences: readonly number[], detailsJson = '') =>
  AuditBatch.encode({
    agentEpoch: 'e1',
    events: sequences.map((sequence) => ({
      sequence,
      occurredAtMs: 1,
      pipeline: 'checkout',
      stage: 'staging',
      generation: 1,
      commit: 'c'.repeat(40),
      kind: 'ObjectPruned',
      message: '',
      object: reference,
      detailsJson,
    })),
  }).finish();

/** The value, or that it was refused as it should be; any other error fails the test. */
function tried<Value>(read: () => Value): Value | 'refused' {
  try {
    return read();
  } catch (error) {
    if (error instanceof PayloadInvalidError) return 'refused';
    throw error;
  }
}

describe('payloads of agents', () => {
  test('a report keeps its 50 worst objects and counts the rest', () => {
    const decoded = decodeReport(report, cluster, 77);
    if (!('report' in decoded)) throw new Error('no report');
    const expected = { phase: 'waiting', health: 'progressing', receivedAt: 77 };
    expect(decoded.report).toMatchObject(expected);
    expect(decoded.report.objects).toHaveLength(50);
    expect(decoded.report.objectsTruncated).toBe(10);
  });

  test('GATE-10: a result of a run without a usable id or outcome is refused', () => {
    const result = (change: object) =>
      Report.encode(
        Report.fromPartial({
          verificationResult: {
            runId: 'run00000001',
            outcome: VerificationOutcome.VERIFICATION_OUTCOME_PASSED,
            ...change,
          },
        }),
      ).finish();
    expect(decodeReport(result({}), cluster, 77)).toMatchObject({
      result: { runId: 'run00000001', cluster, outcome: 'passed', receivedAt: 77 },
    });
    for (const change of [{ runId: 'no id' }, { runId: '' }, { outcome: 0 }, { outcome: 9 }]) {
      expect(tried(() => decodeReport(result(change), cluster, 77))).toBe('refused');
    }
  });

  test('audit events out of their row are refused whole', () => {
    expect(decodeAuditBatch(audit([4, 5, 6])).events).toHaveLength(3);
    expect(tried(() => decodeAuditBatch(audit([4, 6])))).toBe('refused');
    expect(tried(() => decodeAuditBatch(audit([4, 4])))).toBe('refused');
    expect(tried(() => decodeAuditBatch(audit([])))).toBe('refused');
  });

  test('details that are no JSON, or too much, do not cost the event', () => {
    const [event] = decodeAuditBatch(audit([1], '{not json')).events;
    expect(event?.details).toBe('{not json');
    const [large] = decodeAuditBatch(audit([1], JSON.stringify('x'.repeat(20_000)))).events;
    expect(JSON.stringify(large?.details).length).toBeLessThan(5_000);
  });

  test('F38: more than 64 KiB is not read', () => {
    expect(tried(() => decodeReport(new Uint8Array(65_537), cluster, 0))).toBe('refused');
  });

  test('S1: a subject that names no cluster is refused', () => {
    for (const subject of ['', 'fairlead', 'fairlead.v1..beat', 'fairlead.v1.UPPER.beat']) {
      expect(tried(() => clusterOfSubject(subject))).toBe('refused');
    }
  });

  test('S1: 10,000 damaged messages are each read or refused, and never more than that', () => {
    const damaged = fc
      .tuple(
        fc.constantFrom(report, audit([1, 2, 3], '{"a":1}')),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        fc.nat(),
      )
      .map(([whole, changes, cut]) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        tried(() => decodeReport(bytes, cluster, 0));
        tried(() => decodeAuditBatch(bytes));
        tried(() => decodeBeat(bytes));
      }),
      { numRuns: 10_000 },
    );
  });
});

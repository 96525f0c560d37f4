import type { KubernetesObject } from '@fairlead/shared/manifest';
import { expectOk } from '@fairlead/shared/result';
import { describe, expect, it, test } from 'vitest';
import type { Assignment } from '../link/index.ts';
import { jobEnd, jobOf, ownedByRun, type VerificationRun } from './index.ts';

const runId = '01jd0000000000000000000abc';
const run = (change: Partial<VerificationRun> = {}): VerificationRun => ({
  runId,
  name: 'smoke',
  file: 'smoke.yaml',
  timeoutMs: 600_000,
  assignment: {
    pipeline: 'checkout',
    stage: 'staging',
    apply: { namespace: 'shop' },
  } as Assignment,
  ...change,
});
const job = (metadata: object = {}, spec: object = {}): KubernetesObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'smoke', ...metadata },
  spec: { template: { spec: {} }, ...spec },
});

describe('the Job of a run', () => {
  it('GATE-10: carries its run in its name, its label and its owner', () => {
    const made = expectOk(jobOf([job()], run()), 'a job');
    expect(made.metadata).toEqual({
      name: `smoke-${runId}`,
      namespace: 'shop',
      labels: { 'fairlead.dev/verification-run': runId },
      annotations: {
        'fairlead.dev/owner': `checkout/staging:batch/Job/shop/smoke-${runId}`,
      },
    });
    expect(ownedByRun(made, run())).toBe(true);
    expect(ownedByRun(made, run({ runId: 'another0' }))).toBe(false);
  });

  it('is no member of an ApplySet, so that no unit prunes it', () => {
    const labels = { app: 'smoke', 'applyset.kubernetes.io/part-of': 'applyset-x' };
    const made = expectOk(jobOf([job({ labels })], run()), 'a job');
    expect(made.metadata.labels).toEqual({
      app: 'smoke',
      'fairlead.dev/verification-run': runId,
    });
  });

  test.each([
    ['a', `a-${runId}`],
    ['x'.repeat(80), `${'x'.repeat(36)}-${runId}`],
    [`${'x'.repeat(35)}-end`, `${'x'.repeat(35)}-${runId}`],
  ])('the name %s becomes one that fits a label', (name, expected) => {
    const made = expectOk(jobOf([job({ name })], run()), 'a job');
    expect(made.metadata.name).toBe(expected);
    expect(made.metadata.name.length).toBeLessThanOrEqual(63);
  });

  test.each([
    [{}, 600],
    [{ activeDeadlineSeconds: 30 }, 30],
    [{ activeDeadlineSeconds: 9_000 }, 600],
  ])('with %o it stops by itself after %i seconds', (spec, seconds) => {
    const made = expectOk(jobOf([job({}, { ...spec, ttlSecondsAfterFinished: 0 })], run()), 'job');
    expect(made.spec).toMatchObject({
      activeDeadlineSeconds: seconds,
      // It must be there when the agent comes back to it.
      ttlSecondsAfterFinished: 604_800,
    });
  });

  test.each<[string, KubernetesObject[], string]>([
    ['nothing', [], 'nothing'],
    ['two Jobs', [job(), job()], 'batch/v1 Job, batch/v1 Job'],
    ['a Pod', [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }], 'v1 Pod'],
  ])('a file with %s is refused', (_, objects, found) => {
    const made = jobOf(objects, run());
    expect(made).toEqual({
      ok: false,
      error: `smoke.yaml must hold exactly one batch/v1 Job, and holds ${found}`,
    });
  });
});

describe('the end of a Job', () => {
  const withConditions = (...conditions: unknown[]) => jobEnd({ ...job(), status: { conditions } });

  test('is not there while it runs, whatever it says besides', () => {
    expect(jobEnd(job())).toBeUndefined();
    expect(withConditions({ type: 'Complete', status: 'False' })).toBeUndefined();
    expect(withConditions({ type: 'SuccessCriteriaMet', status: 'True' })).toBeUndefined();
    expect(withConditions({ type: 'FailureTarget', status: 'True' })).toBeUndefined();
    expect(jobEnd({ ...job(), status: { conditions: 'none' } })).toBeUndefined();
  });

  test('a complete one has passed, a failed one has failed with its reason', () => {
    expect(withConditions({ type: 'Complete', status: 'True' })?.outcome).toBe('passed');
    expect(
      withConditions({
        type: 'Failed',
        status: 'True',
        reason: 'BackoffLimitExceeded',
        message: 'Job has reached the specified backoff limit',
      }),
    ).toEqual({
      outcome: 'failed',
      message:
        'the Job has failed: BackoffLimitExceeded: Job has reached the specified backoff limit',
    });
  });

  it('GATE-10: one that hung until its deadline is inconclusive', () => {
    const end = withConditions({ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' });
    expect(end).toEqual({
      outcome: 'inconclusive',
      message: 'the Job was stopped at its deadline: DeadlineExceeded',
    });
  });
});

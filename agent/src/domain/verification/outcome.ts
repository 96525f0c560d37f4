import type { KubernetesObject } from '@fairlead/shared/manifest';
import type { VerificationResult } from './run.ts';

export type VerificationEnd = Pick<VerificationResult, 'outcome' | 'message'>;

type Condition = {
  readonly type?: unknown;
  readonly status?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
};

/**
 * How a Job ended, by the two conditions that Kubernetes sets once and for all; `undefined` while it runs. A Job that ran
 * out of its time says nothing about what it was to find out.
 */
export function jobEnd(job: KubernetesObject): VerificationEnd | undefined {
  const { conditions } = (job.status ?? {}) as { conditions?: unknown };
  const all: readonly Condition[] = Array.isArray(conditions) ? conditions : [];
  const holds = (type: string) =>
    all.find((condition) => condition?.type === type && condition.status === 'True');
  if (holds('Complete')) return { outcome: 'passed', message: 'the Job has completed' };
  const failed = holds('Failed');
  if (!failed) return undefined;
  const why = [failed.reason, failed.message].filter((part) => typeof part === 'string' && part);
  const said = why.length > 0 ? `: ${why.join(': ')}` : '';
  return failed.reason === 'DeadlineExceeded'
    ? { outcome: 'inconclusive', message: `the Job was stopped at its deadline${said}` }
    : { outcome: 'failed', message: `the Job has failed${said}` };
}

import type { KubernetesObject } from '@fairlead/shared/manifest';
import type { Result } from '@fairlead/shared/result';
import { addressOf } from '../cluster/index.ts';
import { jobOf, ownedByRun, type VerificationRun } from '../domain/verification/index.ts';
import {
  accountOf,
  type Refusal,
  type StepFailure,
  scopeFault,
  withRemedy,
} from '../reconcile/index.ts';
import { asEnd, type Context, failed } from './context.ts';
import type { RunRecord } from './ports.ts';

export type StartedRun = RunRecord & {
  readonly run: VerificationRun;
  readonly job: NonNullable<RunRecord['job']>;
};

/**
 * Makes the run's Job, or finds the one that an earlier start of the agent made. Nothing of the commit is rendered before
 * the cluster's policy permits it and its signature is as wanted. Throws `RunEnded` when the run can never start.
 */
export async function startJob(
  context: Context,
  record: RunRecord & { readonly run: VerificationRun },
  signal: AbortSignal,
): Promise<StartedRun> {
  const { cluster, journal } = context;
  const { run } = record;
  const job = await jobOfCommit(context, run, signal);
  const account = accountOf(run.assignment);
  const { name, namespace = '' } = job.metadata;
  const reference = { namespace, name, uid: '', ...(account ? { account } : {}) };
  const starting = { ...record, step: 'starting', job: reference } as const;
  context.save(starting);
  // The Job may begin at once, and its run must not be forgotten then.
  await journal.durable();
  signal.throwIfAborted();
  try {
    const live = await withRemedy(account, cluster.get(addressOf(job), signal, account));
    if (live && !ownedByRun(live, run)) {
      throw failed(`Job ${namespace}/${name} exists already and belongs to something else`);
    }
    const made =
      live ??
      (await withRemedy(account, cluster.apply(job, { force: false, as: account, signal })));
    const uid = made.metadata.uid ?? '';
    const started = { ...starting, step: 'started', job: { ...reference, uid } } as const;
    // A run that was dropped meanwhile must not come back.
    signal.throwIfAborted();
    // Told before it is noted: after a crash between the two it is told again rather than never.
    context.audit(run, 'VerificationStarted', `Job ${namespace}/${name} runs ${run.name}`);
    context.save(started);
    return started;
  } catch (error) {
    signal.throwIfAborted();
    throw asEnd(error);
  }
}

async function jobOfCommit(
  context: Context,
  run: VerificationRun,
  signal: AbortSignal,
): Promise<KubernetesObject> {
  const { trust, bounds } = context;
  const { assignment, file } = run;
  const permit = granted(await trust.permit(assignment));
  const tree = done(await context.loadTree(assignment, signal));
  const { warning } = granted(await trust.verify(assignment, permit));
  if (warning !== '') context.audit(run, 'SignatureWarned', warning);
  const objects = done(await context.renderFile(file, assignment, tree, signal));
  signal.throwIfAborted();
  const job = jobOf(objects, run);
  if (!job.ok) throw failed(job.error, 'RenderFailed');
  const fault = scopeFault(bounds, permit, job.value);
  if (fault !== '') throw failed(fault, 'PolicyRefused');
  return job.value;
}

function granted<Value>(answer: Result<Value, Refusal>): Value {
  if (answer.ok) return answer.value;
  const { message, terminal, audit } = answer.error;
  throw terminal ? failed(message, audit) : new Error(message);
}

function done<Value>(answer: Result<Value, StepFailure>): Value {
  if (answer.ok) return answer.value;
  const { message, terminal } = answer.error;
  throw terminal ? failed(message, 'RenderFailed') : new Error(message);
}

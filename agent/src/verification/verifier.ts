import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditEntry, unitIdOf } from '../domain/link/index.ts';
import type { VerificationEnd, VerificationRun } from '../domain/verification/index.ts';
import {
  verificationRetryMsMax,
  verificationRetryMsMin,
  verificationRunsInParallelMax,
  verificationRunsMax,
  verificationRunsRememberedMax,
  verificationStopGraceMs,
} from '../limits.ts';
import { type Context, RunEnded } from './context.ts';
import { logTail } from './log-tail.ts';
import type { OfferedRuns, RunRecord } from './ports.ts';
import { removeJob } from './remove-job.ts';
import { type StartedRun, startJob } from './start-job.ts';
import { watchJob } from './watch-job.ts';

export type VerifierDependencies = Omit<Context, 'audit' | 'save'> & {
  readonly onAudit: (entry: AuditEntry) => void;
  readonly signal: AbortSignal;
};

export type Verifier = {
  /** Takes up the runs of the journal. */
  readonly start: () => void;
  /** Takes the hub's list, durably before it returns; the work is done in the background. */
  readonly offer: (offered: OfferedRuns) => void;
  /** Resolves when nothing is under way, after the signal was aborted. */
  readonly drained: () => Promise<void>;
};

type OpenRun = RunRecord & { readonly run: VerificationRun };
const hasRun = (record: RunRecord): record is OpenRun => record.run !== undefined;

export function createVerifier(dependencies: VerifierDependencies): Verifier {
  const { journal, clock, random, logger, signal } = dependencies;
  const records = new Map<string, RunRecord>();
  const save = (record: RunRecord): void => {
    journal.saveRun(record);
    records.set(record.runId, record);
  };
  const context: Context = {
    ...dependencies,
    save,
    audit: ({ assignment }, kind, message) => {
      const { generation, commit } = assignment;
      dependencies.onAudit({ unit: unitIdOf(assignment), generation, commit, kind, message });
    },
  };
  /** What is worked on or waits for its turn, in order of arrival; aborted when the hub drops the run. */
  const works = new Map<string, AbortController>();
  const underWay = new Map<string, Promise<void>>();

  const end = (record: RunRecord, result: Omit<NonNullable<RunRecord['result']>, 'runId'>) => {
    const { runId } = record;
    // Told before it is noted: after a crash between the two it is told again rather than never.
    if (record.run) {
      context.audit(record.run, 'VerificationEnded', `${record.run.name} ${words(result)}`);
    }
    save({ ...record, step: 'ended', result: { runId, ...result } });
    logger.info({ run: runId, outcome: result.outcome }, 'a verification has ended');
  };

  const enqueue = (runId: string): void => {
    works.set(runId, new AbortController());
    takeUp();
  };

  const takeUp = (): void => {
    for (const [runId, work] of works) {
      if (underWay.size >= verificationRunsInParallelMax || signal.aborted) return;
      if (underWay.has(runId)) continue;
      const ended = AbortSignal.any([signal, work.signal]);
      const done = workOn(runId, ended)
        .catch((error) => {
          if (!ended.aborted) logger.warn({ run: runId, error: String(error) }, 'a run failed');
        })
        .finally(() => {
          underWay.delete(runId);
          if (works.get(runId) === work) works.delete(runId);
          takeUp();
        });
      underWay.set(runId, done);
    }
  };

  const workOn = async (runId: string, ended: AbortSignal): Promise<void> => {
    const record = records.get(runId);
    if (record?.step === 'dropped') return removeDropped(record, ended);
    if (!record || !hasRun(record) || record.step === 'ended') return;
    const untilMs = record.receivedAtMs + record.run.timeoutMs;
    const started =
      record.step === 'started' && record.job
        ? (record as StartedRun)
        : await begin(record, { untilMs, ended });
    if (!started) return;
    const until = { untilMs: untilMs + verificationStopGraceMs, signal: ended };
    const outcome = await watchJob(context, started, until);
    const tail = await logTail(context, started.job, ended);
    ended.throwIfAborted();
    end(started, { ...outcome, logTail: tail.text, logTruncated: tail.truncated });
    // One that has not ended by itself must not go on; the others stay to be looked at until the hub has the result.
    if (outcome.outcome === 'inconclusive') await removeJob(context, started.job, ended);
  };

  type Limits = { readonly untilMs: number; readonly ended: AbortSignal };

  const begin = async (
    record: OpenRun,
    { untilMs, ended }: Limits,
  ): Promise<StartedRun | undefined> => {
    for (let tries = 0; ; tries++) {
      let reason: string;
      try {
        return await startJob(context, records.get(record.runId) as OpenRun, ended);
      } catch (error) {
        ended.throwIfAborted();
        if (error instanceof RunEnded) {
          if (error.audit) context.audit(record.run, error.audit, error.message);
          end(record, { ...error.end, logTail: '', logTruncated: false });
          return undefined;
        }
        reason = error instanceof Error ? error.message : String(error);
        logger.warn({ run: record.runId, reason }, 'a verification cannot start yet');
      }
      const leftMs = untilMs - clock.now();
      if (leftMs <= 0) {
        const message = `the Job could not be started in time: ${reason}`;
        end(record, { outcome: 'inconclusive', message, logTail: '', logTruncated: false });
        return undefined;
      }
      const pauseMs = Math.min(verificationRetryMsMin * 2 ** tries, verificationRetryMsMax);
      const jitteredMs = pauseMs * (0.75 + random.nextFraction() / 2);
      await sleep(Math.min(jitteredMs, leftMs), undefined, { signal: ended });
    }
  };

  /** The hub does not want it any more; that it was there is remembered, so that it never runs again. */
  const drop = (record: RunRecord): void => {
    works.get(record.runId)?.abort(new Error('the hub has dropped the run'));
    const { runId, receivedAtMs, job } = record;
    save({ runId, receivedAtMs, step: 'dropped', ...(job ? { job } : {}) });
    forgetOldest();
    if (!job) works.delete(runId);
    else void (underWay.get(runId) ?? Promise.resolve()).then(() => enqueue(runId));
  };

  const removeDropped = async (record: RunRecord, ended: AbortSignal): Promise<void> => {
    if (record.job) await removeJob(context, record.job, ended);
    const { job: _, ...left } = record;
    save(left);
  };

  const forgetOldest = (): void => {
    const dropped = [...records.values()].filter(({ step, job }) => step === 'dropped' && !job);
    for (const { runId } of dropped.slice(0, -verificationRunsRememberedMax)) {
      records.delete(runId);
      journal.forgetRun(runId);
    }
  };

  const inconclusive = (runId: string, message: string): void =>
    end(records.get(runId) ?? { runId, step: 'accepted', receivedAtMs: clock.now() }, {
      outcome: 'inconclusive',
      message,
      logTail: '',
      logTruncated: false,
    });

  const take = (run: VerificationRun): void => {
    const { runId } = run;
    const known = records.get(runId);
    if (!known) {
      save({ runId, step: 'accepted', receivedAtMs: clock.now(), run });
      enqueue(runId);
    } else if (known.step === 'ended') journal.requeueResult(runId);
    else if (known.step === 'dropped' && !known.job) {
      inconclusive(runId, 'the run was taken back before, and no Job runs twice');
    }
  };

  return {
    start: () => {
      for (const record of journal.loadRuns()) {
        records.set(record.runId, record);
        const isOpen = record.step !== 'ended' && record.step !== 'dropped';
        if (isOpen || (record.step === 'dropped' && record.job)) enqueue(record.runId);
      }
    },
    offer: ({ epoch, runs, unusable }) => {
      if (epoch !== journal.acceptedEpoch()) {
        logger.warn(
          { epoch },
          'verification runs of an epoch that is not accepted are passed over',
        );
        return;
      }
      const listed = new Set([...runs, ...unusable].map(({ runId }) => runId));
      for (const record of records.values()) {
        if (!listed.has(record.runId) && record.step !== 'dropped') drop(record);
      }
      for (const run of runs.slice(0, verificationRunsMax)) take(run);
      for (const { runId, reason } of unusable) {
        const known = records.get(runId);
        if (known?.step === 'ended') journal.requeueResult(runId);
        else if (!known) inconclusive(runId, `this agent cannot read the order: ${reason}`);
      }
    },
    drained: async () => {
      await Promise.allSettled(underWay.values());
    },
  };
}

const words = ({ outcome, message }: VerificationEnd): string =>
  outcome === 'inconclusive' ? `is inconclusive: ${message}` : `has ${outcome}: ${message}`;

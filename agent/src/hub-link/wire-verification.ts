import {
  Report,
  VerificationOutcome,
  type VerificationRun as WireRun,
  type VerificationRuns as WireRuns,
} from '@fairlead/proto';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { VerificationResult, VerificationRun } from '../domain/verification/index.ts';
import { clipText } from '../journal/index.ts';
import { verificationLogBytesMax, verificationMessageBytesMax } from '../limits.ts';
import type { OfferedRuns } from '../verification/index.ts';
import { assignmentOf } from './wire.ts';

/** The hub's list. What cannot be read is kept by its id, so that it is not taken for dropped. */
export function offeredRunsOf({ epoch, runs }: WireRuns): OfferedRuns {
  const usable: VerificationRun[] = [];
  const unusable: { runId: string; reason: string }[] = [];
  for (const wire of runs) {
    const run = runOf(wire);
    if (run.ok) usable.push(run.value);
    else unusable.push({ runId: wire.runId, reason: run.error });
  }
  return { epoch, runs: usable, unusable };
}

function runOf({
  runId,
  name,
  assignment,
  file,
  timeoutMs,
}: WireRun): Result<VerificationRun, string> {
  if (!/^[a-z0-9]{8,40}$/.test(runId)) return err('run_id must have 8 to 40 characters a-z, 0-9');
  if (assignment === undefined) return err('it has no assignment');
  const parsed = assignmentOf(assignment);
  if (!parsed.ok) return parsed;
  if (parsed.value.disposition !== 'run') return err('only a unit that runs is verified');
  if (file === '' || file.includes('/') || file === '.' || file === '..') {
    return err('file must be a name in the path');
  }
  if (timeoutMs < 1) return err('timeout_ms must be positive');
  return ok({ runId, name, assignment: parsed.value, file, timeoutMs });
}

const outcomes: Readonly<Record<VerificationResult['outcome'], VerificationOutcome>> = {
  passed: VerificationOutcome.VERIFICATION_OUTCOME_PASSED,
  failed: VerificationOutcome.VERIFICATION_OUTCOME_FAILED,
  inconclusive: VerificationOutcome.VERIFICATION_OUTCOME_INCONCLUSIVE,
};

/** The payload of a result; its texts are bounded, so it always fits into one bus message. */
export const encodeResult = (
  { runId, outcome, message, logTail, logTruncated }: VerificationResult,
  agent: { readonly epoch: string; readonly nowMs: number },
): Uint8Array =>
  Report.encode(
    Report.fromPartial({
      agentEpoch: agent.epoch,
      observedAtMs: agent.nowMs,
      verificationResult: {
        runId,
        outcome: outcomes[outcome],
        message: clipText(message, verificationMessageBytesMax),
        logTail: clipText(logTail, verificationLogBytesMax),
        logTruncated,
      },
    }),
  ).finish();

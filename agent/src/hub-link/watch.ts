import type { PlanRequest, WatchAssignmentsResponse } from '@fairlead/proto';
import type { Logger } from '@fairlead/shared/log';
import type { Clock, Random } from '@fairlead/shared/time';
import type { Assignment } from '../domain/link/index.ts';
import type { Journal } from '../journal/index.ts';
import { linkBackoffMsMin, linkIdleMsMax } from '../limits.ts';
import type { OfferedRuns } from '../verification/index.ts';
import { failureOf, isRefusal, openLink } from './channel.ts';
import { type HubIdentity, reconnectPauseMsMax } from './hub-identity.ts';
import type { IdentitySource } from './identity.ts';
import { createBackoff, pause } from './pause.ts';
import { assignmentOf } from './wire.ts';
import { offeredRunsOf } from './wire-verification.ts';

export type WatchDependencies = {
  readonly identity: IdentitySource;
  readonly journal: Pick<Journal, 'loadAssignments' | 'acknowledgeAudit'>;
  readonly agentVersion: string;
  readonly instanceId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onAssignment: (assignment: Assignment) => void;
  /** The hub has said everything that differs; it holds so many assignments for this cluster. */
  readonly onSnapshot: (assignmentsTotal: number) => void;
  readonly onWatermark: () => void;
  readonly onPlanRequest: (request: PlanRequest) => void;
  readonly onVerificationRuns: (runs: OfferedRuns) => void;
  readonly idleMsMax?: number;
};

export type WatchStatus = {
  readonly state: 'connecting' | 'open';
  readonly message: string;
  /** When the hub was last heard; 0 when never. */
  readonly heardAtMs: number;
};

export type AssignmentWatch = {
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Ends the stream, if there is one, and opens it again with the generations held then. */
  readonly reopen: () => void;
  readonly status: () => WatchStatus;
};

/** Failures in a row after which the certificate itself is in doubt: TLS refuses without saying why. */
const failuresUntilSuspect = 8;

export function createAssignmentWatch(dependencies: WatchDependencies): AssignmentWatch {
  const { identity, journal, clock, logger } = dependencies;
  const idleMsMax = dependencies.idleMsMax ?? linkIdleMsMax;
  let state: WatchStatus['state'] = 'connecting';
  let message = '';
  let heardAtMs = 0;
  let reopen = new AbortController();

  const handle = ({ update }: WatchAssignmentsResponse): void => {
    switch (update?.$case) {
      case 'assignment': {
        const { pipeline, stage, generation } = update.assignment;
        const parsed = assignmentOf(update.assignment);
        if (parsed.ok) dependencies.onAssignment(parsed.value);
        else {
          logger.error(
            { pipeline, stage, generation, reason: parsed.error },
            'assignment unusable',
          );
        }
        return;
      }
      case 'snapshotComplete':
        dependencies.onSnapshot(update.snapshotComplete.assignmentsTotal);
        return;
      case 'auditWatermark':
        journal.acknowledgeAudit(update.auditWatermark.agentEpoch, update.auditWatermark.sequence);
        dependencies.onWatermark();
        return;
      case 'planRequest':
        dependencies.onPlanRequest(update.planRequest);
        return;
      case 'verificationRuns':
        dependencies.onVerificationRuns(offeredRunsOf(update.verificationRuns));
        return;
      case 'keepAlive':
      case undefined:
        return;
    }
  };

  /** One stream, until it ends. Returns false when the hub was never heard on it. */
  const stream = async (with_: HubIdentity, signal: AbortSignal): Promise<boolean> => {
    const client = openLink(with_);
    let heard = false;
    let silent = false;
    const call = client.watchAssignments({
      known: journal.loadAssignments().map(({ pipeline, stage, epoch, generation }) => ({
        pipeline,
        stage,
        epoch,
        generation,
      })),
      agentVersion: dependencies.agentVersion,
      instanceId: dependencies.instanceId,
      features: ['verifications'],
    });
    // A half-open connection gives no error. Only silence shows it, because the hub sends something at least now and then.
    const watchdog = setTimeout(() => {
      silent = true;
      call.cancel();
    }, idleMsMax);
    const cancel = (): void => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      for await (const response of call as AsyncIterable<WatchAssignmentsResponse>) {
        heard = true;
        heardAtMs = clock.now();
        state = 'open';
        message = '';
        watchdog.refresh();
        handle(response);
      }
      message = 'the hub ended the stream';
    } catch (error) {
      const failure = failureOf(error);
      message = silent ? `nothing was heard for ${idleMsMax} ms` : failure.message;
      if (!signal.aborted && isRefusal(failure)) identity.refused();
    } finally {
      clearTimeout(watchdog);
      signal.removeEventListener('abort', cancel);
      // An error after the cancellation has no one left to hear it.
      call.on('error', () => undefined);
      call.cancel();
      client.close();
      state = 'connecting';
    }
    return heard;
  };

  return {
    run: async (signal) => {
      const backoff = createBackoff(
        linkBackoffMsMin,
        () => reconnectPauseMsMax(identity.current()),
        dependencies.random,
      );
      let failures = 0;
      const unsubscribe = identity.onChange(() => reopen.abort());
      while (!signal.aborted) {
        const current = await identity.first(signal);
        if (current === undefined) break;
        reopen = new AbortController();
        const heard = await stream(current, AbortSignal.any([signal, reopen.signal]));
        if (heard) {
          backoff.reset();
          failures = 0;
        }
        if (signal.aborted) break;
        if (reopen.signal.aborted) {
          message = '';
          // Several wishes within a moment are one.
          await pause(linkBackoffMsMin / 2, signal);
          continue;
        }
        failures++;
        if (failures % failuresUntilSuspect === 0) identity.refused();
        logger.warn({ reason: message, failures }, 'the assignment watch ended');
        await pause(backoff.next(), AbortSignal.any([signal, reopen.signal]));
      }
      unsubscribe();
    },
    reopen: () => reopen.abort(),
    status: () => ({ state, message, heardAtMs }),
  };
}

import type { ClusterId } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Clock } from '@fairlead/shared/time';
import type { Actor, DecisionLog, VersionConflict } from '../decision-log/index.ts';
import { type AgentAuditEvent, streams } from '../domain/events.ts';
import { agentAuditBatchMax, agentAuditStreamsMax, decisionRetriesMax } from '../limits.ts';
import { createAuditWatermarks, raised } from './audit-watermarks.ts';
import { createStreamTurns } from './turns.ts';

export type AuditedEvent = Omit<
  Extract<AgentAuditEvent, { type: 'AgentAudited' }>,
  'type' | 'cluster' | 'agentEpoch'
>;

/** The last sequence of the epoch that the log has; everything up to it may be acknowledged. */
export type AuditWatermark = { readonly agentEpoch: string; readonly sequence: number };

/**
 * Appends what an agent says it did, exactly once and in its order: what the log has is dropped, and what never came
 * is a gap on record. Any number of calls may run at once; each append is conditional on the version that it has read.
 */
export function createAgentAuditAppender(deps: { log: DecisionLog; clock: Clock }) {
  const { log, clock } = deps;
  const watermarks = createAuditWatermarks(log, agentAuditStreamsMax);
  const inTurn = createStreamTurns();

  const appendBatch = async (
    cluster: ClusterId,
    agentEpoch: string,
    batch: readonly AuditedEvent[],
    actor: Actor,
  ): Promise<Result<number, VersionConflict>> => {
    const stream = streams.agentAudit(cluster);
    for (let attempt = 0; ; attempt++) {
      const known = await watermarks.read(stream, agentEpoch);
      const sequence = known.byEpoch.get(agentEpoch) ?? 0;
      const events = newEvents({ cluster, agentEpoch, sequence, batch });
      if (events.length === 0) return ok(sequence);
      const appended = await log.append({
        stream,
        expectedVersion: known.version,
        events,
        actor,
        at: clock.now(),
      });
      if (appended.ok) {
        const byEpoch = raised(known.byEpoch, events);
        watermarks.keep(stream, { ...known, version: known.version + events.length, byEpoch });
        return ok(byEpoch.get(agentEpoch) ?? 0);
      }
      if (attempt >= decisionRetriesMax) return appended;
    }
  };

  return async (
    cluster: ClusterId,
    agentEpoch: string,
    events: readonly AuditedEvent[],
    actor: Actor,
  ): Promise<Result<AuditWatermark, VersionConflict>> => {
    const inOrder = events.toSorted((left, right) => left.sequence - right.sequence);
    let sequence = 0;
    // An empty call asks for the watermark.
    for (let start = 0; start === 0 || start < inOrder.length; start += agentAuditBatchMax) {
      const batch = inOrder.slice(start, start + agentAuditBatchMax);
      const appended = await inTurn(streams.agentAudit(cluster), () =>
        appendBatch(cluster, agentEpoch, batch, actor),
      );
      if (!appended.ok) return err(appended.error);
      sequence = appended.value;
    }
    return ok({ agentEpoch, sequence });
  };
}

function newEvents(options: {
  cluster: ClusterId;
  agentEpoch: string;
  sequence: number;
  batch: readonly AuditedEvent[];
}): AgentAuditEvent[] {
  const { cluster, agentEpoch, batch } = options;
  let { sequence } = options;
  const events: AgentAuditEvent[] = [];
  for (const audited of batch) {
    if (audited.sequence <= sequence) continue;
    if (audited.sequence > sequence + 1) {
      const [from, to] = [sequence + 1, audited.sequence - 1];
      events.push({ type: 'AgentAuditGap', cluster, agentEpoch, from, to });
    }
    events.push({ type: 'AgentAudited', cluster, agentEpoch, ...audited });
    sequence = audited.sequence;
  }
  return events;
}

import type { ClusterId } from '@fairlead/shared/ids';
import {
  AckPolicy,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { auditAckWaitMs, auditBatchMessagesMax, auditEventsPerAppendMax } from '../limits.ts';
import { inBatches } from './batches.ts';
import type { IngestOptions } from './ingest-options.ts';
import type { CountInvalid } from './invalid-counter.ts';
import { clusterOfSubject, decodeAuditBatch, type ReceivedAuditEvent } from './payloads.ts';
import { auditStream } from './streams.ts';

const consumerName = 'hub';

type AuditOptions = Pick<IngestOptions, 'appendAgentAudit' | 'onAuditAppended' | 'count'> & {
  readonly manager: JetStreamManager;
  readonly js: JetStreamClient;
  readonly invalid: CountInvalid;
  readonly signal: AbortSignal;
};

/**
 * Appends audit messages in the order of the stream and acknowledges them afterwards. The stream is a queue that holds
 * exactly what is not acknowledged, so each session makes its consumer anew and starts at the oldest such message:
 * nothing newer can overtake what an earlier session had in hand when it was killed.
 */
export async function consumeAudit(options: AuditOptions): Promise<void> {
  const { manager, js, signal } = options;
  await manager.consumers.delete(auditStream, consumerName).catch(() => false);
  await manager.consumers.add(auditStream, {
    durable_name: consumerName,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(auditAckWaitMs),
    deliver_policy: DeliverPolicy.All,
    max_ack_pending: auditBatchMessagesMax * 2,
  });
  const consumer = await js.consumers.get(auditStream, consumerName);
  const messages = await consumer.consume({
    max_messages: auditBatchMessagesMax,
    abort_on_missing_resource: true,
  });
  const stop = () => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) return;
    for await (const batch of inBatches(messages, auditBatchMessagesMax)) {
      if (signal.aborted) return;
      await appendBatch(batch, options);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    messages.stop();
  }
  if (!signal.aborted) throw new Error('the audit consumer ended');
}

type Source = { cluster: ClusterId; agentEpoch: string; events: ReceivedAuditEvent[] };

async function appendBatch(batch: readonly JsMsg[], options: AuditOptions): Promise<void> {
  const sources = new Map<string, Source>();
  for (const message of batch) {
    try {
      const cluster = clusterOfSubject(message.subject);
      const { agentEpoch, events } = decodeAuditBatch(message.data);
      const key = `${cluster}/${agentEpoch}`;
      const source = sources.get(key) ?? { cluster, agentEpoch, events: [] };
      source.events.push(...events);
      sources.set(key, source);
    } catch (error) {
      // Its events show up as a gap in the agent's sequence.
      options.invalid(message.subject, error);
    }
  }
  for (const source of sources.values()) await appendSource(source, options);
  for (const message of batch) message.ack();
}

async function appendSource(source: Source, options: AuditOptions): Promise<void> {
  const { cluster, agentEpoch, events } = source;
  let watermark = 0;
  for (let from = 0; from < events.length; from += auditEventsPerAppendMax) {
    const appended = await options.appendAgentAudit(
      cluster,
      agentEpoch,
      events.slice(from, from + auditEventsPerAppendMax),
      { kind: 'agent', name: cluster },
    );
    if (!appended.ok) throw new Error(`audit events were not appended: ${appended.error.code}`);
    watermark = appended.value.sequence;
  }
  options.count?.('fairlead_audit_events_total', events.length);
  options.onAuditAppended(cluster, agentEpoch, watermark);
}

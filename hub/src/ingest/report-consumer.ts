import { DeliverPolicy, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { reportBatchMessagesMax } from '../limits.ts';
import { inBatches } from './batches.ts';
import type { IngestOptions } from './ingest-options.ts';
import type { CountInvalid } from './invalid-counter.ts';
import {
  clusterOfSubject,
  decodeReport,
  type ReceivedReport,
  type ReceivedResult,
} from './payloads.ts';
import { reportStream } from './streams.ts';

type ReportOptions = Pick<IngestOptions, 'recordReports' | 'count'> & {
  readonly manager: JetStreamManager;
  readonly js: JetStreamClient;
  readonly invalid: CountInvalid;
  /** The stream's sequence that the read model has. */
  readonly after: number;
  readonly onPosition: (sequence: number) => void;
  readonly signal: AbortSignal;
};

/** Takes reports into the read model, which keeps its own place in the stream: the server keeps none for it. */
export async function consumeReports(options: ReportOptions): Promise<void> {
  const { js, signal } = options;
  const consumer = await js.consumers.get(reportStream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: options.after + 1,
  });
  const messages = await consumer.consume({ max_messages: reportBatchMessagesMax });
  const stop = () => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) return;
    for await (const batch of inBatches(messages, reportBatchMessagesMax)) {
      if (signal.aborted) return;
      const reports: ReceivedReport[] = [];
      const results: ReceivedResult[] = [];
      for (const message of batch) {
        try {
          // The broker's time of receipt: the same again when the read model is rebuilt.
          const receivedAt = message.time.getTime();
          const cluster = clusterOfSubject(message.subject);
          const decoded = decodeReport(message.data, cluster, receivedAt);
          if ('report' in decoded) reports.push(decoded.report);
          else results.push(decoded.result);
        } catch (error) {
          options.invalid(message.subject, error);
        }
      }
      const sequence = batch.at(-1)?.seq ?? options.after;
      await options.recordReports(reports, sequence, results);
      options.onPosition(sequence);
      options.count?.('fairlead_reports_total', reports.length);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    messages.stop();
  }
  if (!signal.aborted) throw new Error('the report consumer ended');
}

import type { RecordedEvent } from '../decision-log/index.ts';
import { eventStreamBatchMax, eventStreamKeepAliveMs, eventStreamStallMs } from '../limits.ts';
import { entrySubject, type ReadModel } from '../read-model/index.ts';
import type { HttpApiOptions } from './dependencies.ts';
import { auditDocument } from './documents.ts';

export type Follow = Pick<HttpApiOptions, 'signal'> & {
  readonly log: Pick<HttpApiOptions['log'], 'readAfter' | 'onAppended'>;
  readonly readModel: Pick<ReadModel, 'findClusterById'>;
  readonly after: number;
  readonly pipeline?: string;
  readonly cluster?: string;
  /** Ends the connection of a reader that does not read. */
  readonly cut: () => void;
};

/** Entries of the log as server-sent events: read only as fast as the reader reads, and one batch ahead at most. */
export function eventStream(follow: Follow, onEnded: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const ended = new AbortController();
  let position = follow.after;
  let stalled: NodeJS.Timeout | undefined;
  const end = () => {
    if (ended.signal.aborted) return;
    clearTimeout(stalled);
    ended.abort();
    onEnded();
  };
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(encoder.encode('retry: 1000\n\n'));
    },
    pull: async (controller) => {
      clearTimeout(stalled);
      const chunk = await nextChunk(follow, position, ended.signal);
      if (ended.signal.aborted) return;
      if (chunk === undefined) {
        controller.close();
        end();
        return;
      }
      position = chunk.position;
      controller.enqueue(encoder.encode(chunk.text));
      // The next pull comes when the reader has taken what there is.
      stalled = setTimeout(() => {
        end();
        follow.cut();
      }, eventStreamStallMs);
      stalled.unref();
    },
    cancel: end,
  });
}

/** Text for the reader and the position after it; nothing once the hub stops. */
async function nextChunk(
  follow: Follow,
  after: number,
  ended: AbortSignal,
): Promise<{ text: string; position: number } | undefined> {
  const keepAliveAt = performance.now() + eventStreamKeepAliveMs;
  let position = after;
  while (!follow.signal.aborted && !ended.aborted) {
    const appended = nextAppend(follow, keepAliveAt - performance.now(), ended);
    const entries = await follow.log.readAfter(position, eventStreamBatchMax);
    position = entries.at(-1)?.position ?? position;
    const text = entries.map((entry) => eventText(entry, follow)).join('');
    if (text !== '') {
      appended.forget();
      return { text, position };
    }
    if (performance.now() >= keepAliveAt) {
      appended.forget();
      return { text: ': keep-alive\n\n', position };
    }
    if (entries.length > 0) appended.forget();
    else await appended.happened;
  }
  return undefined;
}

/** Listens before the log is read, so that an append in between is not missed. */
function nextAppend(follow: Follow, timeoutMs: number, ended: AbortSignal) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.max(0, timeoutMs));
  const unsubscribe = follow.log.onAppended(() => resolve());
  const stop = () => resolve();
  follow.signal.addEventListener('abort', stop, { once: true });
  ended.addEventListener('abort', stop, { once: true });
  const forget = () => {
    clearTimeout(timer);
    unsubscribe();
    follow.signal.removeEventListener('abort', stop);
    ended.removeEventListener('abort', stop);
  };
  return { happened: promise.finally(forget), forget };
}

function eventText(entry: RecordedEvent, { readModel, pipeline, cluster }: Follow): string {
  const subject = entrySubject(entry, (id) => readModel.findClusterById(id)?.name);
  if (pipeline !== undefined && subject.pipeline !== pipeline) return '';
  if (cluster !== undefined && subject.cluster !== cluster) return '';
  const data = JSON.stringify(auditDocument(entry, subject));
  return `id: ${entry.position}\nevent: ${entry.event.type}\ndata: ${data}\n\n`;
}

import { ProblemError, problem } from '@fairlead/shared/problem';
import type { Hono } from 'hono';
import type { RecordedEvent } from '../../decision-log/index.ts';
import {
  eventStreamBatchMax,
  eventStreamKeepAliveMs,
  eventStreamStallMs,
  eventStreamsMax,
} from '../../limits.ts';
import { entrySubject } from '../../read-model/index.ts';
import { authorise, waitForPosition } from '../access.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { auditDocument } from '../documents.ts';
import type { HttpEnvironment } from '../environment.ts';

type Follow = Pick<HttpApiOptions, 'log' | 'readModel' | 'signal'> & {
  readonly after: number;
  readonly pipeline?: string;
  readonly cluster?: string;
  /** Ends the connection of a reader that does not read. */
  readonly cut: () => void;
};

/**
 * Server-sent events from the log: an event's id is its position, so a reader that comes back with `Last-Event-ID`
 * misses none. A stream reads the log only as fast as its reader reads, and holds one batch at most.
 */
export function mountEventStream(app: Hono<HttpEnvironment>, options: HttpApiOptions): void {
  let streamsTotal = 0;
  app.get('/api/v1/events', async (context) => {
    await authorise(context, {
      ...options,
      route: { access: 'viewer', method: 'get', path: '/events' },
      params: {},
    });
    await waitForPosition(context, options);
    if (streamsTotal >= eventStreamsMax) {
      throw new ProblemError(
        problem('rate_limited', `This hub serves at most ${eventStreamsMax} event streams.`),
      );
    }
    const after = startOf(context.req.header('last-event-id') ?? context.req.query('after'));
    const { pipeline, cluster } = context.req.query();
    const stream = eventStream(
      {
        ...options,
        after: after ?? (await options.log.headPosition()),
        pipeline,
        cluster,
        cut: () => context.env.outgoing?.destroy(),
      },
      () => streamsTotal--,
    );
    streamsTotal++;
    return context.body(stream, 200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
  });
}

function startOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const position = Number(text);
  if (Number.isSafeInteger(position) && position >= 0) return position;
  throw new ProblemError(
    problem('request_invalid', 'The position to start after is not a number of the log.', [
      { path: 'after', message: 'must be the id of an event, or 0 for all' },
    ]),
  );
}

function eventStream(follow: Follow, onEnded: () => void): ReadableStream<Uint8Array> {
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

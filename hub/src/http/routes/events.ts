import { ProblemError, problem } from '@fairlead/shared/problem';
import type { Hono } from 'hono';
import { eventStreamsMax } from '../../limits.ts';
import { authorise, waitForPosition } from '../access.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import type { HttpEnvironment } from '../environment.ts';
import { eventStream } from '../event-stream.ts';

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

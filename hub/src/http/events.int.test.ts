import { connect } from 'node:net';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { expect, test } from 'vitest';
import { streams } from '../domain/events.ts';
import {
  append,
  clusterAdded,
  pipelineDefined,
  releasesDiscovered,
} from '../read-model/testing/index.ts';
import { type HttpFixture, startHttpFixture } from './testing/server.ts';

/** Reads a stream until it has so many events. */
async function readEvents(
  api: HttpFixture,
  options: { query?: string; lastEventId?: string; count: number; onOpen?: () => Promise<unknown> },
): Promise<EventSourceMessage[]> {
  const stop = new AbortController();
  const response = await fetch(`${api.url}/api/v1/events?${options.query ?? ''}`, {
    headers: {
      authorization: `Bearer ${api.viewerToken}`,
      ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
    },
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]),
  });
  expect(response.status).toBe(200);
  const events: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  const decoder = new TextDecoder();
  await options.onOpen?.();
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (events.length >= options.count) break;
  }
  stop.abort();
  return events;
}

test('an event stream begins with what comes after its opening, at once', async () => {
  await using api = await startHttpFixture();
  const events = await readEvents(api, {
    count: 1,
    onOpen: () => append(api.log, streams.cluster('eu-1'), clusterAdded('eu-1')),
  });
  const position = await api.log.headPosition();
  expect(events).toMatchObject([{ id: String(position), event: 'ClusterAdded' }]);
  expect(JSON.parse(events[0]?.data ?? '')).toMatchObject({ cluster: 'eu-1', position });
});

test('Last-Event-ID goes on after that position, without a gap or a repetition', async () => {
  await using api = await startHttpFixture();
  await append(api.log, streams.pipeline('checkout'), pipelineDefined('checkout'));
  for (let number = 0; number < 250; number++) {
    await append(api.log, streams.pipeline('checkout'), releasesDiscovered(number));
  }
  const events = await readEvents(api, { lastEventId: '10', count: 200 });
  expect(events.slice(0, 200).map(({ id }) => Number(id))).toEqual(
    Array.from({ length: 200 }, (_, index) => index + 11),
  );
});

test('a stream of one pipeline or cluster has nothing of the others', async () => {
  await using api = await startHttpFixture();
  await append(api.log, streams.cluster('eu-1'), clusterAdded('eu-1'));
  await append(api.log, streams.pipeline('search'), pipelineDefined('search'));
  await append(api.log, streams.pipeline('checkout'), pipelineDefined('checkout'));
  await append(api.log, streams.pipeline('checkout'), releasesDiscovered(1));
  const events = await readEvents(api, { query: 'after=0&pipeline=checkout', count: 2 });
  expect(events.map(({ event }) => event)).toEqual(['PipelineDefined', 'ReleasesDiscovered']);
  const ofCluster = await readEvents(api, { query: 'after=0&cluster=eu-1', count: 1 });
  expect(ofCluster.map(({ event }) => event)).toEqual(['ClusterAdded']);
});

test('an event stream needs a token', async () => {
  await using api = await startHttpFixture();
  expect((await fetch(`${api.url}/api/v1/events`)).status).toBe(401);
});

test('when the hub stops, its event streams end', async () => {
  await using api = await startHttpFixture();
  const response = await fetch(`${api.url}/api/v1/events`, {
    headers: { authorization: `Bearer ${api.viewerToken}` },
    signal: AbortSignal.timeout(10_000),
  });
  api.stop();
  expect(await response.text()).toMatch(/^retry: 1000/);
});

test('R17: a reader that does not read holds up neither the hub nor other readers', async () => {
  await using api = await startHttpFixture();
  const { port } = new URL(api.url);
  const stopped = connect(Number(port), '127.0.0.1');
  await new Promise((resolve) => stopped.once('connect', resolve));
  stopped.pause();
  stopped.write(
    `GET /api/v1/events?after=0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${api.viewerToken}\r\n\r\n`,
  );
  await append(api.log, streams.pipeline('checkout'), pipelineDefined('checkout'));
  for (let number = 0; number < 500; number++) {
    await append(api.log, streams.pipeline('checkout'), releasesDiscovered(number));
  }
  const events = await readEvents(api, { lastEventId: '0', count: 500 });
  expect(events.length).toBeGreaterThanOrEqual(500);
  stopped.destroy();
});

import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../../e2e/stack/index.ts';
import { connect } from './connection.ts';
import { startFakeApiServer } from './testing-api-server.ts';

const tooMany = JSON.stringify({ kind: 'Status', code: 429, reason: 'TooManyRequests' });

function refuse(response: ServerResponse, retryAfter: string): void {
  response.writeHead(429, { 'retry-after': retryAfter, 'content-type': 'application/json' });
  response.end(tooMany);
}

test('a server that serves four requests at once is not overrun: all are served, and few are refused', async () => {
  await using directory = await temporaryDirectory();
  const placesMax = 4;
  let busy = 0;
  let served = 0;
  let refused = 0;
  await using server = await startFakeApiServer(directory.path, (_, response) => {
    if (busy === placesMax) {
      refused++;
      refuse(response, '0');
      return;
    }
    busy++;
    // A request holds its place for as long as a write to etcd takes.
    setTimeout(() => {
      busy--;
      served++;
      response.end('{}');
    }, 5);
  });
  const connection = connect({ kubeconfigPath: server.kubeconfigPath });
  const count = 400;
  await Promise.all(
    Array.from({ length: count }, () => connection.json({ method: 'GET', path: '/' })),
  );
  connection.close();
  expect(served).toBe(count);
  // At the full rate of 24 nearly every request would be refused several times.
  expect(refused).toBeLessThan(count / 2);
});

test('a refused request comes again after the time that the server asks for, as often as it asks', async () => {
  await using directory = await temporaryDirectory();
  const arrivals: number[] = [];
  await using server = await startFakeApiServer(directory.path, (_, response) => {
    arrivals.push(performance.now());
    if (arrivals.length <= 2) refuse(response, '1');
    else response.end('{"served": true}');
  });
  const connection = connect({ kubeconfigPath: server.kubeconfigPath });
  expect(await connection.json({ method: 'GET', path: '/' })).toEqual({ served: true });
  connection.close();
  const [first = 0, second = 0, third = 0] = arrivals;
  expect(second - first).toBeGreaterThanOrEqual(1_000);
  expect(third - second).toBeGreaterThanOrEqual(1_000);
});

test('a request that waits for a place ends with its signal', async () => {
  await using directory = await temporaryDirectory();
  const held: ServerResponse[] = [];
  await using server = await startFakeApiServer(directory.path, (_, response) => {
    held.push(response);
  });
  const connection = connect({ kubeconfigPath: server.kubeconfigPath });
  const stop = new AbortController();
  const requests = Array.from({ length: 40 }, () =>
    connection.json({ method: 'GET', path: '/', signal: stop.signal }),
  );
  stop.abort(new Error('enough'));
  const ends = await Promise.allSettled(requests);
  expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
  connection.close();
});

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { secret } from '@fairlead/shared/config';
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import type { MetricRule } from '../domain/pipeline/definition.ts';
import { metricAnswerBytesMax } from '../limits.ts';
import { createMetricSource } from './index.ts';

// A real HTTP server that answers as Prometheus' HTTP API documents it, and as hostile ones do.
const requests: { url: string; authorization: string | undefined }[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const server = createServer((request, response) => {
  const { authorization } = request.headers;
  requests.push({ url: request.url ?? '', authorization });
  answer(request, response);
});
let host: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
afterEach(() => {
  requests.length = 0;
});

const prometheus = (data: object) => (_: IncomingMessage, response: ServerResponse) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ status: 'success', data }));
};
const vector = (...values: string[]) =>
  prometheus({
    resultType: 'vector',
    result: values.map((value) => ({ metric: {}, value: [1_700_000_000.5, value] })),
  });

const sourceOf = (change: object = {}): MetricRule['source'] =>
  ({
    kind: 'prometheus',
    url: `http://${host}`,
    query: 'sum(rate(errors[1m]))',
    ...change,
  }) as never;
const httpOf = (jsonPointer: string) =>
  sourceOf({ kind: 'http', url: `http://${host}/value`, jsonPointer });
const read = (
  source: MetricRule['source'],
  options: { allowedHosts?: string[]; queryMsMax?: number; secretName?: string } = {},
) =>
  createMetricSource({
    allowedHosts: options.allowedHosts ?? [host],
    readSecret: async (name, key) =>
      name === 'prometheus' && key === 'token' ? secret('t0ken') : undefined,
    ...(options.queryMsMax === undefined ? {} : { queryMsMax: options.queryMsMax }),
  })(
    {
      source,
      ...(options.secretName === undefined ? {} : { credentialsSecretName: options.secretName }),
    },
    new AbortController().signal,
  );

describe('Prometheus', () => {
  it('is asked by an instant query below its own path', async () => {
    answer = vector('0.25');
    expect(await read(sourceOf({ url: `http://${host}/prometheus/` }))).toEqual({
      value: 0.25,
      message: '',
    });
    expect(requests).toEqual([
      {
        url: '/prometheus/api/v1/query?query=sum%28rate%28errors%5B1m%5D%29%29',
        authorization: undefined,
      },
    ]);
  });

  test.each<[string, () => typeof answer, object]>([
    ['a scalar', () => prometheus({ resultType: 'scalar', result: [1, '3'] }), { value: 3 }],
    ['no series', () => vector(), { message: 'no data' }],
    [
      'two series',
      () => vector('1', '2'),
      { message: expect.stringMatching(/^the query gives 2 series/) },
    ],
    ['NaN', () => vector('NaN'), { message: 'the value is NaN' }],
    ['infinity', () => vector('+Inf'), { message: 'the value is Infinity' }],
    [
      'a range',
      () => prometheus({ resultType: 'matrix', result: [] }),
      { message: expect.stringMatching(/matrix/) },
    ],
    [
      'an error',
      () => (_, response) =>
        response.writeHead(400).end('{"status":"error","error":"parse error"}'),
      { message: 'the source answers with status 400' },
    ],
  ])('GATE-12: %s', async (_, answered, expected) => {
    answer = answered();
    const reading = await read(sourceOf());
    expect(reading).toMatchObject(expected);
    expect('value' in reading).toBe('value' in expected);
  });
});

describe('a JSON source', () => {
  const document = { 'a/b': [{ 'm~n': 4.5 }], text: '5', none: null };
  test.each<[string, object]>([
    ['/a~1b/0/m~0n', { value: 4.5, message: '' }],
    ['/text', { message: 'what is at /text is no number' }],
    ['/none', { message: 'what is at /none is no number' }],
    ['/a~1b/00/m~0n', { message: 'the answer has nothing at /a~1b/00/m~0n' }],
    ['/__proto__/x', { message: 'the answer has nothing at /__proto__/x' }],
    ['', { message: 'what is at  is no number' }],
  ])('at %j', async (pointer, expected) => {
    answer = (_, response) => response.end(JSON.stringify(document));
    expect(await read(httpOf(pointer))).toEqual(expected);
  });

  it('that is no JSON is no number', async () => {
    answer = (_, response) => response.end('<html>');
    expect(await read(httpOf('/a'))).toEqual({ message: 'the source does not answer with JSON' });
  });
});

describe('what a pipeline cannot make the hub do', () => {
  const refused = /is not among the hosts that FAIRLEAD_METRIC_HOSTS lets the hub ask/;

  test.each<[string, () => string, string[] | undefined, RegExp]>([
    ['ask another host', () => 'http://169.254.169.254/latest/meta-data', undefined, refused],
    ['ask another port', () => 'http://127.0.0.1:1', undefined, refused],
    ['ask anything without a list', () => `http://${host}`, [], refused],
    [
      'write the host another way',
      () => `http://localhost:${host.split(':')[1]}`,
      undefined,
      refused,
    ],
    ['read files', () => 'file:///etc/passwd', undefined, /only http and https/],
    [
      'send credentials of its own',
      () => `http://user:pass@${host}`,
      undefined,
      /holds credentials/,
    ],
    ['send nonsense', () => 'http://', undefined, /cannot be read/],
  ])('%s', async (_, url, allowedHosts, message) => {
    answer = vector('1');
    const reading = await read(sourceOf({ url: url() }), allowedHosts ? { allowedHosts } : {});
    expect(reading).toEqual({ message: expect.stringMatching(message) });
    expect(requests).toEqual([]);
  });

  it('a host without a port stands for the port of the scheme', async () => {
    const reading = await read(sourceOf({ url: 'http://127.0.0.1' }), {
      allowedHosts: ['127.0.0.1'],
    });
    // It may be asked, and nobody listens there.
    expect(reading.message).not.toMatch(refused);
    const other = await read(sourceOf(), { allowedHosts: ['127.0.0.1'] });
    expect(other.message).toMatch(refused);
  });

  it('a redirect is not followed, so that credentials go nowhere else', async () => {
    answer = (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    const reading = await read(sourceOf(), { secretName: 'prometheus' });
    expect(reading.message).toBe('the source answers with a redirect, which is not followed');
    expect(requests).toHaveLength(1);
  });

  it('a token comes from the hub’s secrets, and without it nothing is asked', async () => {
    answer = vector('1');
    expect(await read(sourceOf(), { secretName: 'prometheus' })).toMatchObject({ value: 1 });
    expect(requests[0]?.authorization).toBe('Bearer t0ken');
    const reading = await read(sourceOf(), { secretName: 'other' });
    expect(reading.message).toBe('the hub has no secret other with a token');
    expect(requests).toHaveLength(1);
  });

  it('an endless answer and one that never comes are given up', async () => {
    answer = (_, response) => {
      const write = (): void => {
        for (let room = true; room && !response.destroyed; )
          room = response.write('x'.repeat(65_536));
        response.once('drain', write);
      };
      write();
    };
    const large = await read(sourceOf());
    expect(large.message).toBe(`the answer is larger than ${metricAnswerBytesMax} bytes`);
    answer = () => {};
    const late = await read(sourceOf(), { queryMsMax: 50 });
    expect(late.message).toBe('the source did not answer in time');
  });

  it('a source that is not there is no number', async () => {
    const reading = await read(sourceOf({ url: 'http://127.0.0.1:1' }), {
      allowedHosts: ['127.0.0.1:1'],
    });
    expect(reading).toEqual({ message: expect.stringMatching(/^the source cannot be reached/) });
  });
});

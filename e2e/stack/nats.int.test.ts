import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startNats, type TemporaryDirectory, temporaryDirectory, waitFor } from './index.ts';

let directory: TemporaryDirectory;

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(() => directory[Symbol.asyncDispose]());

/** One JetStream API request in NATS's text protocol; resolves with the answer's JSON. */
async function jetStream(port: number, subject: string, payload: object): Promise<unknown> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  try {
    await once(socket, 'connect');
    const body = JSON.stringify(payload);
    socket.write('CONNECT {"verbose":false}\r\nSUB answer 1\r\n');
    socket.write(`PUB $JS.API.${subject} answer ${Buffer.byteLength(body)}\r\n${body}\r\n`);
    const answer = await waitFor(`the answer to ${subject}`, (see) => {
      see(text);
      return /MSG answer 1 \d+\r\n(.*)\r\n/.exec(text)?.[1];
    });
    return JSON.parse(answer);
  } finally {
    socket.destroy();
  }
}

test('NATS keeps its streams and its port when it is killed and restarted', async () => {
  await using nats = await startNats({ directory: directory.path });
  const stream = { name: 'facts', subjects: ['facts.>'] };
  const created = await jetStream(nats.port, 'STREAM.CREATE.facts', stream);
  expect(created).toMatchObject({ config: { name: 'facts' } });
  await nats.process.kill();
  await nats.process.restart();
  const found = await jetStream(nats.port, 'STREAM.INFO.facts', {});
  expect(found).toMatchObject({ config: { subjects: ['facts.>'] } });
});

test('NATS takes more configuration, and a mistake in it fails the start with the log', async () => {
  await using nats = await startNats({
    directory: directory.path,
    configText: 'authorization { token: "wanted" }',
  });
  const socket = connect(nats.port, '127.0.0.1');
  const [info] = await once(socket, 'data');
  expect(info.toString()).toContain('"auth_required":true');
  socket.destroy();
  await expect(
    startNats({ directory: `${directory.path}/mistaken`, configText: 'no_such_setting: 1' }),
  ).rejects.toThrow('no_such_setting');
});

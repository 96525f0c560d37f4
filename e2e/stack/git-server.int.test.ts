import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type GitServer,
  startGitServer,
  type TemporaryDirectory,
  temporaryDirectory,
  waitFor,
  workingCopy,
} from './index.ts';

let directory: TemporaryDirectory;
let server: GitServer;

beforeEach(async () => {
  directory = await temporaryDirectory();
  server = await startGitServer({ directory: join(directory.path, 'repositories') });
});

afterEach(async () => {
  await server.close();
  await directory[Symbol.asyncDispose]();
});

const copyOf = (url: string, name = 'copy') => workingCopy(url, join(directory.path, name));

type Received = { readonly headers: IncomingHttpHeaders; readonly body: string };

async function startReceiver(status = 202) {
  const received: Received[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text) => {
      body += text;
    });
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
    received,
    async [Symbol.asyncDispose]() {
      receiver.closeAllConnections();
      await new Promise((resolve) => receiver.close(resolve));
    },
  };
}

describe('a Git server', { timeout: 30_000 }, () => {
  test('gives to a second clone what a first one pushed', async () => {
    const { url } = await server.createRepository('shop');
    const first = await copyOf(url, 'first');
    await first.write('apps/checkout/kustomization.yaml', 'resources: []\n');
    const commit = await first.commit('checkout: start');
    await first.push();

    const second = await copyOf(url, 'second');
    expect(await second.head()).toBe(commit);
    const text = await readFile(join(second.directory, 'apps/checkout/kustomization.yaml'), 'utf8');
    expect(text).toBe('resources: []\n');
  });

  test('takes a push that is compressed and larger than one buffer', async () => {
    const { url } = await server.createRepository('large');
    const copy = await copyOf(url);
    // Random bytes do not compress, so the pack is as large as the file.
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString('base64');
    for (let index = 0; index < 50; index += 1)
      await copy.write(`file-${index}`, `${index}${noise}`);
    const commit = await copy.commit('large');
    await copy.push();
    expect(await (await copyOf(url, 'again')).head()).toBe(commit);
  });

  test('gives a commit by its id, even one that no branch holds any more', async () => {
    const { url } = await server.createRepository('rewritten');
    const copy = await copyOf(url);
    await copy.write('a', '1');
    const base = await copy.commit('base');
    await copy.write('a', '2');
    const dropped = await copy.commit('dropped');
    await copy.push();
    await copy.resetHard(base);
    await copy.push({ force: true });

    const other = await copyOf(url, 'other');
    expect(await other.head()).toBe(base);
    await other.git('fetch', '--quiet', '--depth=1', 'origin', dropped);
    expect((await other.git('show', 'FETCH_HEAD:a')).trim()).toBe('2');
  });

  test('refuses a push that would lose commits unless it is forced', async () => {
    const { url } = await server.createRepository('shop');
    const copy = await copyOf(url);
    await copy.commit('one', { allowEmpty: true });
    await copy.commit('two', { allowEmpty: true });
    await copy.push();
    await copy.resetHard('HEAD~1');
    await copy.commit('other two', { allowEmpty: true });
    await expect(copy.push()).rejects.toThrow('non-fast-forward');
    await copy.push({ force: true });
  });

  test('counts fetches and pushes', async () => {
    const { url } = await server.createRepository('shop');
    const copy = await copyOf(url);
    await copy.commit('one', { allowEmpty: true });
    await copy.push();
    await copyOf(url, 'second');
    expect(server.requestCounts()).toMatchObject({ fetches: 2, pushes: 1 });
  });

  test('answers every request with 503 during an outage and serves again after it', async () => {
    const { url } = await server.createRepository('shop');
    server.setOutage(true);
    await expect(copyOf(url, 'during')).rejects.toThrow('503');
    server.setOutage(false);
    await copyOf(url, 'after');
  });

  test('refuses paths outside its repositories', async () => {
    for (const path of ['/..%2f..%2fetc.git/info/refs', '/none.git/info/refs', '/etc/passwd']) {
      const response = await fetch(`${server.url}${path}`);
      expect([path, response.status]).toEqual([path, 404]);
    }
  });

  test('asks for credentials where they are set', async () => {
    await using guarded = await startGitServer({
      directory: join(directory.path, 'guarded'),
      basicAuthentication: { username: 'reader', password: 'right' },
    });
    const { url } = await guarded.createRepository('shop');
    const withCredentials = (password: string) => url.replace('//', `//reader:${password}@`);
    await expect(copyOf(url, 'none')).rejects.toThrow();
    await expect(copyOf(withCredentials('wrong'), 'wrong')).rejects.toThrow(
      'Authentication failed',
    );
    const copy = await copyOf(withCredentials('right'), 'right');
    await copy.commit('one', { allowEmpty: true });
    await copy.push();
  });
});

describe('a webhook', { timeout: 30_000 }, () => {
  test('tells of a push as GitHub does, signed with the secret', async () => {
    await using receiver = await startReceiver();
    const { url } = await server.createRepository('shop');
    server.webhook('shop', receiver.url, 'the secret');
    const copy = await copyOf(url);
    await copy.write('kept.yaml', 'a: 1\n');
    await copy.write('gone.yaml', 'a: 1\n');
    const before = await copy.commit('one');
    await copy.push();
    await waitFor('the first webhook', () => receiver.received.length === 1);
    await copy.write('kept.yaml', 'a: 2\n');
    await copy.remove('gone.yaml');
    await copy.write('apps/new file.yaml', 'a: 1\n');
    const after = await copy.commit('two\n\nWith a body.');
    await copy.push();
    await waitFor('the second webhook', () => receiver.received.length === 2);

    const [, second] = receiver.received as [Received, Received];
    const digest = createHmac('sha256', 'the secret').update(second.body).digest('hex');
    expect(second.headers['x-hub-signature-256']).toBe(`sha256=${digest}`);
    expect(second.headers['x-github-event']).toBe('push');
    expect(JSON.parse(second.body)).toMatchObject({
      ref: 'refs/heads/main',
      before,
      after,
      created: false,
      deleted: false,
      forced: false,
      repository: { name: 'shop', clone_url: url, default_branch: 'main' },
      head_commit: { id: after },
      commits: [
        {
          id: after,
          message: 'two\n\nWith a body.',
          added: ['apps/new file.yaml'],
          removed: ['gone.yaml'],
          modified: ['kept.yaml'],
        },
      ],
    });
    await waitFor('both deliveries on record', (see) => {
      see(server.deliveries());
      return server.deliveries().length === 2;
    });
    expect(server.deliveries().map((delivery) => delivery.outcome)).toEqual([
      { status: 202 },
      { status: 202 },
    ]);
  });

  test('says that a push was forced', async () => {
    await using receiver = await startReceiver();
    const { url } = await server.createRepository('shop');
    const copy = await copyOf(url);
    await copy.commit('one', { allowEmpty: true });
    await copy.commit('two', { allowEmpty: true });
    await copy.push();
    server.webhook('shop', receiver.url, 'secret');
    await copy.resetHard('HEAD~1');
    await copy.push({ force: true });
    await waitFor('the webhook', () => receiver.received.length === 1);
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      forced: true,
      commits: [],
    });
  });

  test('keeps a push successful when nobody listens, and records why', async () => {
    const { url } = await server.createRepository('shop');
    server.webhook('shop', 'http://127.0.0.1:1/hook', 'secret');
    const copy = await copyOf(url);
    await copy.commit('one', { allowEmpty: true });
    await copy.push();
    const [delivery] = await waitFor('the delivery', () => {
      const deliveries = server.deliveries();
      return deliveries.length === 1 && deliveries;
    });
    expect(delivery?.outcome).toHaveProperty('error');
  });
});

test('a working copy signs commits with an SSH key', { timeout: 30_000 }, async () => {
  const { url } = await server.createRepository('signed');
  const copy = await copyOf(url);
  const { runCommand } = await import('./command.ts');
  const key = join(directory.path, 'key');
  await runCommand('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', key]);
  await copy.write('a', '1');
  const commit = await copy.commit('signed', { sshSigningKey: key });
  expect(await copy.git('cat-file', 'commit', commit)).toContain('BEGIN SSH SIGNATURE');
});

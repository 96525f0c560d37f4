import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectOk } from '@fairlead/shared/result';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type DecisionLogFixture, describeDecisionLog } from './conformance.ts';
import { openSqliteDecisionLog } from './index.ts';

let folder = '';
let fileCount = 0;
const newPath = () => join(folder, `log-${++fileCount}.sqlite`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-log-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function openFixture(): Promise<DecisionLogFixture> {
  const path = newPath();
  const log = await openSqliteDecisionLog({ path });
  return {
    log,
    openAnother: (options) => openSqliteDecisionLog({ path, ...options }),
    execute: async (statements) => {
      const raw = new Database(path);
      raw.exec(statements);
      raw.close();
    },
    [Symbol.asyncDispose]: () => log.close(),
  };
}

describeDecisionLog('SQLite', openFixture);

const refused = (subject: string) => ({
  type: 'CommandRefused' as const,
  command: 'test',
  subject,
  code: 'test',
  detail: 'x'.repeat(200),
});
const actor = { kind: 'hub', name: 'test' } as const;

// Twenty processes are started and killed one after the other, which takes its time where others have the processor.
vi.setConfig({ testTimeout: 180_000 });

describe('SQLite decision log: durability', () => {
  test('AUD-05, R1, R3: after each of 20 kill -9 everything printed is there, whole, and the chain is valid', async () => {
    const path = newPath();
    let promised = 0;
    for (let kill = 0; kill < 20; kill++) {
      const batch = kill % 2 === 0 ? 1 : 7;
      promised = Math.max(promised, await appendUntilKilled(path, batch, 1 + (kill % 5) * 9));
      const log = await openSqliteDecisionLog({ path });
      const head = await log.headPosition();
      expect(head).toBeGreaterThanOrEqual(promised);
      expect(await log.verify()).toMatchObject({ valid: true, position: head });
      let version = 0;
      for await (const entry of log.readStream('durable')) {
        expect(entry.version).toBe(++version);
        expect(entry.event).toMatchObject({ subject: `entry ${version}` });
      }
      await log.close();
    }
    expect(promised).toBeGreaterThan(100);
  });

  test('R3: a copy torn from a log that is being written opens as a valid prefix or not at all', async () => {
    const path = newPath();
    const log = await openSqliteDecisionLog({ path });
    let opened = 0;
    for (let copy = 0; copy < 40; copy++) {
      for (let round = 0; round < 5; round++) {
        const version = copy * 5 + round;
        await log.append({
          stream: 'a',
          expectedVersion: version,
          events: [refused(`entry ${version + 1}`)],
          actor,
          at: version,
        });
      }
      const torn = newPath();
      await copyFile(path, torn);
      await copyFile(`${path}-wal`, `${torn}-wal`);
      const wal = await open(`${torn}-wal`, 'r+');
      await wal.truncate(Math.floor(((await stat(`${torn}-wal`)).size * (copy + 1)) / 41));
      await wal.close();
      const copied = await openSqliteDecisionLog({ path: torn });
      const head = await copied.headPosition();
      expect(await copied.verify()).toMatchObject({ valid: true, position: head });
      expect(head).toBeLessThanOrEqual(await log.headPosition());
      if (head > 0) opened++;
      await copied.close();
    }
    expect(opened).toBeGreaterThan(10);
    await log.close();
  });

  test('a file that is not a database is refused as corrupt and left as it is', async () => {
    const path = newPath();
    await writeFile(path, 'this is not a database, and never was one'.repeat(100));
    await expect(openSqliteDecisionLog({ path })).rejects.toMatchObject({
      name: 'DecisionLogCorruptError',
    });
  });

  test('R4: a page of zeros in the file is found on open', async () => {
    const path = newPath();
    const log = await openSqliteDecisionLog({ path });
    await log.append({
      stream: 'a',
      expectedVersion: 0,
      events: Array.from({ length: 200 }, (_, index) => refused(`entry ${index}`)),
      actor,
      at: 1,
    });
    await log.close();
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(4_096), 0, 4_096, 4_096 * 5);
    await file.close();
    await expect(openSqliteDecisionLog({ path })).rejects.toMatchObject({
      name: 'DecisionLogCorruptError',
    });
  });

  test('a log written by a newer program is refused with the remedy', async () => {
    const path = newPath();
    await (await openSqliteDecisionLog({ path })).close();
    const raw = new Database(path);
    raw.pragma('user_version = 99');
    raw.close();
    await expect(openSqliteDecisionLog({ path })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('start the newer program') },
    });
  });

  test('only its owner may read the file', async () => {
    const path = newPath();
    await (await openSqliteDecisionLog({ path })).close();
    expect((await stat(path)).mode & 0o077).toBe(0);
  });

  test('the whole chain of 100,000 entries is walked in at most fifteen times what their hashes cost', async () => {
    const path = newPath();
    const log = await openSqliteDecisionLog({ path });
    for (let version = 0; version < 100_000; version += 1_000) {
      const events = Array.from({ length: 1_000 }, (_, index) => refused(`${version + index}`));
      expectOk(
        await log.append({ stream: 'a', expectedVersion: version, events, actor, at: version }),
        'append',
      );
    }
    // Against bare hashing in the same run, so that a busy machine does not fail for being busy.
    const walkMs = await timed(async () => {
      expect(await log.verify()).toMatchObject({ valid: true, position: 100_000 });
    });
    const entry = 'x'.repeat(400);
    const hashMs = await timed(async () => {
      for (let count = 0; count < 100_000; count++) {
        createHash('sha256').update(entry).digest('hex');
      }
    });
    expect(walkMs / hashMs).toBeLessThan(15);
    await log.close();
  });
});

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** Starts the writer, kills it after it printed `linesMin` lines and gives the highest position that it printed. */
async function appendUntilKilled(path: string, batch: number, linesMin: number): Promise<number> {
  const module = new URL('./fixtures/append-until-killed.ts', import.meta.url).href;
  const program =
    `import { appendUntilKilled } from ${JSON.stringify(module)};` +
    `await appendUntilKilled(${JSON.stringify(path)}, ${batch});`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    if (printed.split('\n').length > linesMin) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const lines = printed.split('\n').slice(0, -1);
  expect(lines.length, 'the writer printed nothing before it ended').toBeGreaterThan(0);
  return Math.max(...lines.map(Number));
}

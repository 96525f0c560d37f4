import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@fairlead/shared/log';
import { systemClock } from '@fairlead/shared/time';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { createCommandHandler } from '../commands/index.ts';
import { parseResources, resourceDocument } from '../domain/pipeline/index.ts';
import { openReadModel } from '../read-model/index.ts';
import { meaningOf } from './fixtures/logs/meaning.ts';
import { recordHistory } from './fixtures/logs/record-history.ts';
import { openSqliteDecisionLog } from './index.ts';

const logs = new URL('./fixtures/logs/', import.meta.url);
const versions = readdirSync(logs)
  .filter((name) => name.endsWith('.jsonl'))
  .map((name) => name.replace('.jsonl', ''));
const logger = createLogger('old-logs', 'silent');

const rowsOf = async (version: string): Promise<Record<string, unknown>[]> =>
  (await readFile(new URL(`${version}.jsonl`, logs), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** A file as that version left it behind, opened by this one. */
async function openOld(rows: readonly Record<string, unknown>[]) {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-old-log-'));
  const path = join(folder, 'log.sqlite');
  await (await openSqliteDecisionLog({ path })).close();
  const database = new Database(path);
  const columns = Object.keys(rows[0] ?? {});
  const insert = database.prepare(
    `INSERT INTO log (${columns.join(', ')}) VALUES (${columns.map((name) => `@${name}`).join(', ')})`,
  );
  database.transaction(() => {
    for (const row of rows) insert.run(row);
  })();
  database.close();
  const log = await openSqliteDecisionLog({ path });
  const readModel = await openReadModel({
    path: join(folder, 'read-model.sqlite'),
    log,
    logger,
    clock: systemClock,
  });
  return {
    log,
    readModel,
    commands: createCommandHandler({ log, clock: systemClock }),
    [Symbol.asyncDispose]: async () => {
      await readModel.close();
      await log.close();
      await rm(folder, { recursive: true });
    },
  };
}

test.each(versions)('the log of %s is whole, and means for ever what it meant', async (version) => {
  const rows = await rowsOf(version);
  await using old = await openOld(rows);
  expect(await old.log.verify()).toMatchObject({ valid: true, position: rows.length });
  const meaning = JSON.parse(await readFile(new URL(`${version}.golden.json`, logs), 'utf8'));
  // Later versions may know more of the same thing, never less and never something else.
  expect(await meaningOf(old)).toMatchObject(meaning);
});

test.each(versions)('the log of %s goes on: every stream takes new commands', async (version) => {
  await using old = await openOld(await rowsOf(version));
  const actor = { kind: 'person', name: 'ada' } as const;
  const held = await old.commands.pipeline(
    'checkout',
    { type: 'hold-stage', stage: 'production' as never, reason: 'a look at it' },
    actor,
  );
  expect(held).toMatchObject({ ok: true });
  const state = await old.commands.pipelineState('checkout');
  if (state.status !== 'active') throw new Error(`checkout is ${state.status}`);
  // Its document says the same to this version: to apply it again changes nothing in any cluster.
  const { definition } = state;
  const parsed = parseResources(JSON.stringify(resourceDocument({ kind: 'Pipeline', definition })));
  const [again] = parsed.ok ? parsed.value : [];
  if (again?.kind !== 'Pipeline') throw new Error(JSON.stringify(parsed));
  const defined = { type: 'define-pipeline', definition: again.definition } as const;
  expect(await old.commands.pipeline('checkout', defined, actor)).toMatchObject({
    ok: true,
    value: { events: [] },
  });
  expect(await old.log.verify()).toMatchObject({ valid: true });
});

test('the history that is recorded of this version can be lived through, and replays', async () => {
  const recorded = await recordHistory();
  await using replayed = await openOld(recorded.rows);
  expect(await meaningOf(replayed)).toEqual(recorded.meaning);
});

test('a changed entry of an old log is found', async () => {
  const [version] = versions;
  const rows = await rowsOf(version ?? '');
  const changed = rows.map((row) =>
    row.type === 'ReleaseAdmitted' ? { ...row, data: `${row.data} ` } : row,
  );
  await expect(openOld(changed)).rejects.toThrow();
});

test('there are old logs', () => {
  expect(versions).toContain('0.1.0');
});

import { expectOk } from '@fairlead/shared/result';
import { describe, expect, test } from 'vitest';
import type { DomainEvent } from '../domain/events.ts';
import { eventBytesMax } from '../limits.ts';
import type { AppendRequest, DecisionLog, RecordedEvent } from './port.ts';

/** A store under test; each `open` of the suite makes an empty one. */
export type DecisionLogFixture = {
  readonly log: DecisionLog;
  /** Another instance on the same store, as a second process would have. */
  readonly openAnother: (options?: { verifyOnOpen: boolean }) => Promise<DecisionLog>;
  /** Runs SQL past the log, as an intruder with the database's password would. */
  readonly execute: (statements: string) => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

const event = (label: string): DomainEvent => ({
  type: 'CommandRefused',
  command: 'promote',
  subject: label,
  code: 'test',
  detail: `detail of ${label} with "quotes", \n lines and ünïcode`,
});

const request = (stream: string, expectedVersion: number, ...labels: string[]): AppendRequest => ({
  stream,
  expectedVersion,
  events: labels.map(event),
  actor: { kind: 'person', name: 'ada' },
  at: 1_700_000_000_000,
});

async function collect(entries: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> {
  const all: RecordedEvent[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

const labels = (entries: readonly RecordedEvent[]) =>
  entries.map(({ event }) => (event.type === 'CommandRefused' ? event.subject : event.type));

/** The same tests for every implementation of `DecisionLog`. */
export function describeDecisionLog(name: string, open: () => Promise<DecisionLogFixture>): void {
  describe(`decision log: ${name}`, () => {
    describeAppending(open);
    describeReading(open);
    describeConcurrency(open);
    describeTampering(open);
  });
}

function describeAppending(open: () => Promise<DecisionLogFixture>): void {
  test('an append numbers its events over the log and within the stream', async () => {
    await using fixture = await open();
    const first = expectOk(await fixture.log.append(request('a', 0, 'a1', 'a2')), 'first');
    const second = expectOk(await fixture.log.append(request('b', 0, 'b1')), 'second');
    expect(first.map(({ position, version }) => [position, version])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(second[0]).toMatchObject({
      position: 3,
      stream: 'b',
      version: 1,
      recordedAt: 1_700_000_000_000,
      actor: { kind: 'person', name: 'ada' },
      event: event('b1'),
    });
    expect(await fixture.log.headPosition()).toBe(3);
  });

  test.each([0, 1, 3])('an append that expects version %i of two is refused', async (expected) => {
    await using fixture = await open();
    await fixture.log.append(request('a', 0, 'a1', 'a2'));
    const refused = await fixture.log.append(request('a', expected, 'late'));
    expect(refused).toEqual({
      ok: false,
      error: {
        code: 'version_conflict',
        stream: 'a',
        expectedVersion: expected,
        actualVersion: 2,
      },
    });
    expect(await fixture.log.headPosition()).toBe(2);
  });

  test('AUD-05: an append to several streams is all or nothing', async () => {
    await using fixture = await open();
    await fixture.log.append(request('b', 0, 'b1'));
    const refused = await fixture.log.appendAll([request('a', 0, 'a1'), request('b', 0, 'late')]);
    expect(refused.ok).toBe(false);
    expect(await collect(fixture.log.readStream('a'))).toEqual([]);
    const written = await fixture.log.appendAll([request('a', 0, 'a1'), request('b', 1, 'b2')]);
    expect(labels(expectOk(written, 'both'))).toEqual(['a1', 'b2']);
    expect(await fixture.log.verify()).toMatchObject({ valid: true, position: 3 });
  });

  test('WIN-01: an append whose guard has moved is refused, and names the stream that moved', async () => {
    await using fixture = await open();
    await fixture.log.append(request('guarded', 0, 'g1'));
    const guards = [
      { stream: 'guarded', version: 1 },
      { stream: 'empty', version: 0 },
    ];
    const written = await fixture.log.append({ ...request('a', 0, 'a1'), guards });
    expect(labels(expectOk(written, 'guarded'))).toEqual(['a1']);
    await fixture.log.append(request('guarded', 1, 'g2'));
    const refused = await fixture.log.append({ ...request('a', 1, 'a2'), guards });
    expect(refused).toEqual({
      ok: false,
      error: {
        code: 'version_conflict',
        stream: 'guarded',
        expectedVersion: 1,
        actualVersion: 2,
      },
    });
    expect(await collect(fixture.log.readStream('a'))).toHaveLength(1);
  });

  test('a guard of one request holds for all of an append, and may be a stream that it writes', async () => {
    await using fixture = await open();
    const guarded = { ...request('a', 0, 'a1'), guards: [{ stream: 'b', version: 0 }] };
    expectOk(await fixture.log.appendAll([request('b', 0, 'b1'), guarded]), 'both');
    const late = { ...request('a', 1, 'a2'), guards: [{ stream: 'b', version: 0 }] };
    const refused = await fixture.log.appendAll([request('c', 0, 'c1'), late]);
    expect(refused.ok).toBe(false);
    expect(await collect(fixture.log.readStream('c'))).toEqual([]);
  });

  test('an event above the limit is refused and leaves nothing behind', async () => {
    await using fixture = await open();
    const large = request('a', 0, 'a1', 'x'.repeat(eventBytesMax));
    await expect(fixture.log.append(large)).rejects.toMatchObject({
      problem: { code: 'payload_too_large' },
    });
    expect(await fixture.log.headPosition()).toBe(0);
  });

  test('an append of more than 1,000 events is refused', async () => {
    await using fixture = await open();
    const many = Array.from({ length: 1_001 }, (_, index) => `a${index}`);
    await expect(fixture.log.append(request('a', 0, ...many))).rejects.toMatchObject({
      problem: { code: 'payload_too_large' },
    });
  });

  test('listeners hear of an append once it can be read, and no more after they left', async () => {
    await using fixture = await open();
    const heard: number[] = [];
    const unsubscribe = fixture.log.onAppended((position) => heard.push(position));
    fixture.log.onAppended(() => {
      throw new Error('a listener that fails');
    });
    await fixture.log.append(request('a', 0, 'a1', 'a2'));
    await fixture.log.append(request('a', 0, 'late'));
    unsubscribe();
    await fixture.log.append(request('a', 2, 'a3'));
    expect(heard).toEqual([2]);
  });
}

function describeReading(open: () => Promise<DecisionLogFixture>): void {
  test('the log opened again is equal to the log that was written', async () => {
    await using fixture = await open();
    await fixture.log.append(request('a', 0, 'a1', 'a2'));
    await fixture.log.append(request('b', 0, 'b1'));
    const written = await fixture.log.readAfter(0, 10);
    const again = await fixture.openAnother();
    expect(await again.readAfter(0, 10)).toEqual(written);
    expect(await again.verify()).toEqual({ valid: true, position: 3, hash: written[2]?.hash });
    await again.close();
  });

  test('pages after a position are complete, in order and without overlap', async () => {
    await using fixture = await open();
    const wanted = Array.from({ length: 2_500 }, (_, index) => `e${index}`);
    for (let start = 0; start < wanted.length; start += 1_000) {
      await fixture.log.append(request('a', start, ...wanted.slice(start, start + 1_000)));
    }
    const seen: RecordedEvent[] = [];
    for (;;) {
      const page = await fixture.log.readAfter(seen.at(-1)?.position ?? 0, 700);
      if (page.length === 0) break;
      seen.push(...page);
    }
    expect(labels(seen)).toEqual(wanted);
    expect(labels(await collect(fixture.log.readStream('a')))).toEqual(wanted);
  });

  test('a stream is read from the asked version, and its last entry by itself', async () => {
    await using fixture = await open();
    await fixture.log.append(request('a', 0, 'a1', 'a2'));
    await fixture.log.append(request('b', 0, 'b1'));
    await fixture.log.append(request('a', 2, 'a3'));
    expect(labels(await collect(fixture.log.readStream('a', 2)))).toEqual(['a2', 'a3']);
    expect(await fixture.log.lastOfStream('a')).toMatchObject({ version: 3, position: 4 });
    expect(await fixture.log.lastOfStream('none')).toBeUndefined();
  });
}

function describeConcurrency(open: () => Promise<DecisionLogFixture>): void {
  test('WIN-01: of a guarded append and one to its guard, whoever is first is seen by the other', async () => {
    await using fixture = await open();
    const other = await fixture.openAnother();
    for (let round = 0; round < 100; round++) {
      const guarded = {
        ...request('decided', 0, `decision ${round}`),
        stream: `decided-${round}`,
        guards: [{ stream: 'freezes', version: round }],
      };
      const freeze = request('freezes', round, `freeze ${round}`);
      const decided = round % 2 === 0 ? fixture.log.append(guarded) : undefined;
      const declared = other.append(freeze);
      const decision = await (decided ?? fixture.log.append(guarded));
      const freezeAt = expectOk(await declared, 'a freeze')[0]?.position ?? 0;
      if (decision.ok) expect(decision.value[0]?.position ?? 0).toBeLessThan(freezeAt);
    }
    await other.close();
  });

  test('AUD-05: of appends at one moment each stands or falls alone, in the order of their calls', async () => {
    await using fixture = await open();
    const { log } = fixture;
    const heads: number[] = [];
    log.onAppended((head) => heads.push(head));
    const tooLarge = { ...request('large', 0), events: [event('x'.repeat(eventBytesMax))] };
    const [first, late, other, mixed, large, last] = await Promise.allSettled([
      log.append(request('a', 0, 'a1')),
      log.append(request('a', 0, 'late')),
      log.append(request('b', 0, 'b1', 'b2')),
      log.appendAll([request('c', 0, 'c1'), request('b', 0, 'late')]),
      log.append(tooLarge),
      log.append({ ...request('a', 1, 'a2'), guards: [{ stream: 'b', version: 2 }] }),
    ]);
    const ends = [first, late, other, mixed, last].map(
      (outcome) => outcome?.status === 'fulfilled' && outcome.value.ok,
    );
    expect(ends).toEqual([true, false, true, false, true]);
    expect(large).toMatchObject({ status: 'rejected', reason: { name: 'ProblemError' } });
    expect(labels(await log.readAfter(0, 10))).toEqual(['a1', 'b1', 'b2', 'a2']);
    expect(heads.at(-1)).toBe(4);
    expect(await log.verify()).toMatchObject({ valid: true, position: 4 });
  });

  test('R10: of 20 writers that race for one version, exactly one wins, 500 rounds', async () => {
    await using fixture = await open();
    const other = await fixture.openAnother();
    const rounds = 500;
    for (let round = 0; round < rounds; round++) {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, writer) =>
          (writer % 2 === 0 ? fixture.log : other).append(
            request('raced', round, `round ${round} writer ${writer}`),
          ),
        ),
      );
      expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
    }
    expect(await fixture.log.headPosition()).toBe(rounds);
    expect(await other.verify()).toMatchObject({ valid: true, position: rounds });
    await other.close();
  });
}

const columns = 'stream, version, type, recorded_at, actor_kind, actor_name, data, hash';

/** `first` is the first position that no longer fits, in a log of ten entries. */
const tamperings: readonly { what: string; first: number; statements: string }[] = [
  { what: 'an entry removed', first: 4, statements: 'DELETE FROM log WHERE position = 4' },
  { what: 'the first entry removed', first: 1, statements: 'DELETE FROM log WHERE position = 1' },
  { what: 'the last entry removed', first: 10, statements: 'DELETE FROM log WHERE position = 10' },
  {
    what: 'an entry removed and the rest moved up',
    first: 4,
    statements: `DELETE FROM log WHERE position = 4;
      UPDATE log SET position = 1 - position WHERE position > 4;
      UPDATE log SET position = -position WHERE position < 0`,
  },
  ...['stream', 'type', 'actor_name', 'data', 'hash'].map((column) => ({
    what: `${column} changed`,
    first: 5,
    statements: `UPDATE log SET ${column} = ${column} || ' ' WHERE position = 5`,
  })),
  ...['recorded_at', 'version'].map((column) => ({
    what: `${column} changed`,
    first: 5,
    statements: `UPDATE log SET ${column} = ${column} + 100 WHERE position = 5`,
  })),
  {
    what: 'two entries swapped',
    first: 3,
    statements: `UPDATE log SET position = -3 WHERE position = 3;
      UPDATE log SET position = 3 WHERE position = 6;
      UPDATE log SET position = 6 WHERE position = -3`,
  },
  {
    what: 'an entry inserted',
    first: 8,
    statements: `UPDATE log SET position = -position - 1 WHERE position >= 8;
      UPDATE log SET position = -position WHERE position < 0;
      INSERT INTO log (position, ${columns}) SELECT 8, 'forged', version, type, recorded_at,
        actor_kind, actor_name, data, hash FROM log WHERE position = 7`,
  },
  {
    what: 'an entry added to the end',
    first: 11,
    statements: `INSERT INTO log (position, ${columns}) SELECT 11, 'forged', version, type,
      recorded_at, actor_kind, actor_name, data, hash FROM log WHERE position = 10`,
  },
];

function describeTampering(open: () => Promise<DecisionLogFixture>): void {
  test.each(tamperings)(
    'AUD-04, S10: $what is found, first at $first',
    async ({ first, statements }) => {
      await using fixture = await open();
      for (let version = 0; version < 10; version++) {
        await fixture.log.append(request('a', version, `a${version + 1}`));
      }
      await fixture.execute(statements);
      expect(await fixture.log.verify()).toMatchObject({ valid: false, position: first });
      await expect(fixture.openAnother()).rejects.toMatchObject({ position: first });
      const opened = await fixture.openAnother({ verifyOnOpen: false });
      expect(await opened.verify()).toMatchObject({ valid: false, position: first });
      await opened.close();
    },
  );

  test('AUD-04, R4: a changed entry is refused before it is served, also without a walk', async () => {
    await using fixture = await open();
    await fixture.log.append(request('a', 0, 'a1', 'a2', 'a3'));
    await fixture.execute(`UPDATE log SET data = replace(data, 'a2', 'b2') WHERE position = 2`);
    await expect(fixture.log.readAfter(0, 10)).rejects.toMatchObject({ position: 2 });
    await expect(collect(fixture.log.readStream('a'))).rejects.toMatchObject({ position: 2 });
    expect(await fixture.log.lastOfStream('a')).toMatchObject({ version: 3 });
  });

  test('a walk may start after a verified entry, which must still be the same', async () => {
    await using fixture = await open();
    const written = expectOk(await fixture.log.append(request('a', 0, 'a1', 'a2', 'a3')), 'append');
    const verified = { position: 2, hash: written[1]?.hash ?? '' };
    expect(await fixture.log.verify(verified)).toMatchObject({ valid: true, position: 3 });
    await fixture.execute(`UPDATE log SET hash = '0' || substr(hash, 2) || '1' WHERE position = 2`);
    expect(await fixture.log.verify(verified)).toMatchObject({ valid: false, position: 2 });
  });
}

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { RecordedEvent } from '../decision-log/index.ts';
import { eventStreamBatchMax, eventStreamKeepAliveMs, eventStreamStallMs } from '../limits.ts';
import { eventStream } from './event-stream.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const entry = (position: number): RecordedEvent => ({
  position,
  stream: 'hub',
  version: position,
  recordedAt: 0,
  actor: { kind: 'hub', name: 'test' },
  event: { type: 'TokenRevoked', tokenId: 't' },
  hash: '',
});

/** A stream over a log of so many entries, and what was asked of the log. */
function streamOf(entriesTotal: number) {
  const reads: number[] = [];
  const cut = vi.fn();
  const ended = vi.fn();
  const stop = new AbortController();
  const stream = eventStream(
    {
      log: {
        readAfter: async (position, limit) => {
          reads.push(position);
          const count = Math.min(limit, entriesTotal - position);
          return Array.from({ length: count }, (_, index) => entry(position + index + 1));
        },
        onAppended: () => () => undefined,
      },
      readModel: { findClusterById: () => undefined },
      signal: stop.signal,
      after: 0,
      cut,
    },
    ended,
  );
  return { reader: stream.getReader(), reads, cut, ended, stop };
}

const text = (chunk: { value?: Uint8Array }) => new TextDecoder().decode(chunk.value);

test('R17: the log is read one batch ahead of a reader that does not read, and then it is cut', async () => {
  const { reads, cut, ended, reader } = streamOf(100_000);
  await reader.read();
  await vi.advanceTimersByTimeAsync(eventStreamStallMs - 1);
  expect(reads).toEqual([0]);
  expect(cut).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(cut).toHaveBeenCalledOnce();
  expect(ended).toHaveBeenCalledOnce();
});

test('a reader that reads is not cut, however long nothing happens', async () => {
  const { reader, cut } = streamOf(eventStreamBatchMax);
  await reader.read();
  expect(text(await reader.read())).toContain(`id: ${eventStreamBatchMax}`);
  for (let round = 0; round < 5; round++) {
    const next = reader.read();
    await vi.advanceTimersByTimeAsync(eventStreamKeepAliveMs + 10);
    expect(text(await next)).toBe(': keep-alive\n\n');
  }
  expect(cut).not.toHaveBeenCalled();
});

test('a reader that goes away ends its stream once', async () => {
  const { reader, ended, reads } = streamOf(10);
  await reader.read();
  await reader.cancel();
  await vi.advanceTimersByTimeAsync(eventStreamStallMs * 2);
  expect(ended).toHaveBeenCalledOnce();
  expect(reads.length).toBeLessThanOrEqual(1);
});

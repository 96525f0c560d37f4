import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSqliteDecisionLog } from '../../hub/src/decision-log/index.ts';
import { temporaryDirectory } from '../stack/index.ts';
import { rebuildAndCompare, writeFollowed } from './decide.ts';
import { foldLog } from './fold-log.ts';
import { planLatency } from './plan-latency.ts';

const eventsTotal = 12_000;

describe('what the benchmark of the hub measures, with less of it', () => {
  it('a log that was followed in small steps and one that is folded at once give the same tables', async () => {
    await using directory = await temporaryDirectory();
    await using history = await writeFollowed(directory.path, eventsTotal);
    const { different, tables } = await rebuildAndCompare(history);
    expect(different).toEqual([]);
    expect(tables).toBeGreaterThan(15);
    const { readModel } = history;
    // The history is a real one: some releases got through all stages, and some failed in the last.
    const { items } = readModel.listRollouts({}, { limit: 100 });
    const ofProduction = items.filter(({ stage }) => stage === 'production');
    const states = new Set(ofProduction.map(({ state }) => state));
    expect(states).toContain('succeeded');
    expect(states).toContain('failed');
  }, 120_000);

  it('a fold holds no more of a log that is ten times as long', async () => {
    await using directory = await temporaryDirectory();
    {
      await using history = await writeFollowed(directory.path, eventsTotal);
      expect(history.events).toBeGreaterThanOrEqual(eventsTotal);
    }
    const log = await openSqliteDecisionLog({ path: join(directory.path, 'log.sqlite') });
    const figures = await foldLog(log);
    await log.close();
    expect(figures.events).toBeGreaterThanOrEqual(eventsTotal);
    expect(figures.streams).toBe(121);
    expect(figures.heapGrowthMebibytes).toBeLessThan(8);
  }, 120_000);

  it('each look at a pipeline of five stages ends, and what it decides leaves nothing to decide', () => {
    const { rollout, reports } = planLatency(20, 2);
    // Two releases through five stages: to admit, to succeed; and a change of health for each stage at once.
    expect(rollout.decisions).toBe(12);
    expect(reports.decisions).toBe(4);
  });
});

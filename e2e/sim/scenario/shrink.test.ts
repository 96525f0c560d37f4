import { expect, test } from 'vitest';
import type { Run } from '../simulate.ts';
import { generateScenario } from './generate.ts';
import type { Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';

/** A run that breaks a property when the scenario has a hold before a crash of the hub. */
async function runOf(scenario: Scenario): Promise<Run> {
  const types = scenario.actions.map(({ type }) => type);
  const breaks = types.includes('hold') && types.lastIndexOf('crash-hub') > types.indexOf('hold');
  const violation = { property: 'test', meaning: '', detail: '', atMs: 0 };
  return {
    seed: scenario.seed,
    hash: '',
    lines: [],
    events: 0,
    entries: 0,
    ...(breaks ? { violation } : {}),
  };
}

test('a failing story is shortened to the actions that it needs', async () => {
  const scenario = generateScenario('7');
  const noise = scenario.actions.filter(({ type }) => type !== 'hold' && type !== 'crash-hub');
  const actions: Scenario['actions'] = [
    ...noise,
    { atMs: 1_000, type: 'hold', stage: 's1' },
    ...noise,
    { atMs: 2_000, type: 'crash-hub', boundaries: 0, downMs: 1_000 },
    ...noise,
  ];
  const { scenario: shortest, run } = await shrink({ ...scenario, actions }, runOf);
  expect(shortest.actions.map(({ type }) => type)).toEqual(['hold', 'crash-hub']);
  expect(shortest.network.loss).toBe(0);
  expect(run.violation?.property).toBe('test');
});

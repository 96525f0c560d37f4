import { expect, test } from 'vitest';
import {
  createStory,
  minuteMs,
  production,
  type Story,
  staging,
  twoStages,
} from './testing-story.ts';

const steady = (clusters: number): Story => {
  const story = createStory(twoStages());
  for (let index = 0; index < clusters; index++) {
    story.cluster(`stg-${index}`, 'staging').cluster(`prd-${index}`, 'production');
  }
  story.push(1).rollOut(staging).rollOut(production).advance();
  return story;
};

test('AUD-06: a fleet that only says again what it said writes nothing, and one change writes one', () => {
  const story = steady(20);
  const before = story.events.length;
  for (let round = 0; round < 50; round++) {
    story.pass(minuteMs).settle(staging).settle(production);
  }
  expect(story.events.slice(before)).toEqual([]);
  story.report(production, 'prd-3', { health: 'degraded', message: 'no pods' });
  story.advance();
  story.pass(minuteMs).advance();
  expect(story.events.slice(before)).toMatchObject([
    { type: 'StageHealthChanged', stage: production, health: 'unhealthy' },
  ]);
});

import { expect, test } from 'vitest';
import { type DomainEvent, streams } from '../domain/events.ts';
import { statusEarlyMs, statusesEarlyMax } from '../limits.ts';
import {
  append,
  commitId,
  definition,
  openFixture,
  releasesDiscovered,
  repositoryDefined,
} from './testing/index.ts';

const repository = 'environments';
const reported = (
  commit: string,
  at: number,
  change: { name?: string; state?: 'success' | 'failure' } = {},
): DomainEvent => ({
  type: 'StatusReported',
  commit,
  name: change.name ?? 'load-test',
  state: change.state ?? 'success',
  description: '',
  at,
});
const asking: DomainEvent = {
  type: 'PipelineDefined',
  revision: 1,
  definition: {
    ...definition('checkout'),
    stages: definition('checkout').stages.map((stage) => ({
      ...stage,
      gates: { ...stage.gates, statuses: ['load-test'] },
    })),
  },
};
const unknown = (number: number) => `b${number.toString(16).padStart(39, '0')}`;

async function open() {
  const fixture = await openFixture();
  await append(fixture.log, streams.repository(repository), repositoryDefined);
  await append(fixture.log, streams.pipeline('checkout'), asking);
  const commits = () =>
    fixture.readModel
      .listStatuses({ repository }, { limit: 10_000 })
      .items.map(({ commit, early }) => `${early ? 'early' : 'known'} ${commit}`);
  const report = async (...events: DomainEvent[]) => {
    await append(fixture.log, streams.repository(repository), ...events);
    await fixture.readModel.catchUp();
  };
  return { fixture, commits, report, [Symbol.asyncDispose]: fixture[Symbol.asyncDispose] };
}

/** When the log of these tests records what comes. */
const now = 1_000;

test.each([
  ['stays once its commit is a release', now - statusEarlyMs + 1, 1],
  ['is forgotten after exactly its time', now - statusEarlyMs, 0],
])('GATE-11: an early status %s', async (_what, at, count) => {
  await using story = await open();
  await story.report(reported(commitId(1), at));
  expect(story.commits()).toEqual([`early ${commitId(1)}`]);
  await append(story.fixture.log, streams.pipeline('checkout'), releasesDiscovered(1));
  await story.fixture.readModel.catchUp();
  expect(story.commits()).toEqual(count === 0 ? [] : [`known ${commitId(1)}`]);
  await append(story.fixture.log, streams.pipeline('checkout'), releasesDiscovered(2));
  await story.fixture.readModel.catchUp();
  expect(story.fixture.readModel.statusesOfPipeline('checkout')).toHaveLength(count);
});

test('GATE-11: early statuses are bounded, the oldest go first, and known ones are not touched', async () => {
  await using story = await open();
  await append(story.fixture.log, streams.pipeline('checkout'), releasesDiscovered(1));
  await story.report(reported(commitId(1), now));
  for (let start = 0; start < statusesEarlyMax + 1_000; start += 500) {
    await story.report(
      ...Array.from({ length: 500 }, (_, index) => reported(unknown(start + index), now)),
    );
  }
  const commits = story.commits();
  const early = commits.filter((text) => text.startsWith('early')).length;
  expect(early).toBeGreaterThanOrEqual(statusesEarlyMax);
  expect(early).toBeLessThan(statusesEarlyMax + 128);
  expect(commits).toContain(`known ${commitId(1)}`);
  expect(commits).not.toContain(`early ${unknown(0)}`);
});

test('GATE-11: only what a stage asks for is looked at, and the pipelines concerned are woken', async () => {
  await using story = await open();
  await append(story.fixture.log, streams.pipeline('checkout'), releasesDiscovered(1));
  await story.fixture.readModel.catchUp();
  const woken: string[] = [];
  story.fixture.readModel.onChanged(({ pipelines }) => woken.push(...pipelines));
  await story.report(
    reported(commitId(1), 1, { name: 'lint' }),
    reported(commitId(1), 2, { state: 'failure' }),
  );
  expect(woken).toEqual(['checkout']);
  expect(story.fixture.readModel.statusesOfPipeline('checkout')).toMatchObject([
    { name: 'load-test', state: 'failure' },
  ]);
});

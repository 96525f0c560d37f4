import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterName, StageName } from '@fairlead/shared/ids';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openSqliteDecisionLog } from '../decision-log/index.ts';
import type { DomainEvent } from '../domain/events.ts';
import { streams } from '../domain/events.ts';
import { openReadModel } from './index.ts';
import {
  append,
  clusterAdded,
  clusterConnected,
  clusterEnrolled,
  clusterId,
  commitId,
  type Fixture,
  hashTables,
  openFixture,
  pipelineDefined,
  releasesDiscovered,
  report,
  repositoryDefined,
  rolloutStarted,
  rolloutSucceeded,
  silent,
} from './testing/index.ts';

const clusters = ['eu-1', 'eu-2', 'us-1'];
const stages = ['staging', 'production'];
const pipelines = ['checkout', 'search'];
let counter = 0;

/** One step of a history that the core could have written. */
const step = fc.record({
  kind: fc.constantFrom(
    'label',
    'offline',
    'connected',
    'remove',
    'rollout',
    'withdraw',
    'hold',
    'resume',
    'releases',
    'orphan',
    'redefine',
    'refusal',
    'health',
    'audit',
    'token',
  ),
  cluster: fc.constantFrom(...clusters),
  pipeline: fc.constantFrom(...pipelines),
  stage: fc.constantFrom(...stages),
  number: fc.nat(30),
});
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function eventsOf({ kind, cluster, pipeline, stage, number }: Step): [string, DomainEvent[]] {
  const ofPipeline = streams.pipeline(pipeline);
  const stageName = stage as StageName;
  switch (kind) {
    case 'label':
      return [
        streams.cluster(cluster),
        [{ type: 'ClusterLabelsChanged', labels: { n: `${number}` } }],
      ];
    case 'offline':
      return [streams.cluster(cluster), [{ type: 'ClusterOffline', lastSeenAt: number }]];
    case 'connected':
      return [streams.cluster(cluster), [clusterConnected]];
    case 'remove':
      return [streams.cluster(cluster), [{ type: 'ClusterRemoved', reason: 'gone' }]];
    case 'rollout': {
      const rollout = {
        stage,
        release: number,
        rollout: ++counter,
        generation: counter,
        clusters: [cluster],
      };
      return [
        ofPipeline,
        number % 2 === 0
          ? [...rolloutStarted(rollout), rolloutSucceeded(rollout)]
          : rolloutStarted(rollout),
      ];
    }
    case 'withdraw':
      return [
        ofPipeline,
        [
          {
            type: 'TargetWithdrawn',
            stage: stageName,
            cluster: clusterId(cluster),
            clusterName: cluster as ClusterName,
            generation: ++counter,
            disposition: 'orphan',
            cause: 'unmatched',
          },
        ],
      ];
    case 'hold':
      return [
        ofPipeline,
        [{ type: 'StageHeld', stage: stageName, reason: 'r', automatic: number % 2 === 0 }],
      ];
    case 'resume':
      return [ofPipeline, [{ type: 'StageResumed', stage: stageName, reason: 'r' }]];
    case 'releases':
      return [ofPipeline, [releasesDiscovered(number)]];
    case 'orphan':
      return [
        ofPipeline,
        [{ type: 'ReleasesOrphaned', commits: [commitId(number)], head: commitId(1) }],
      ];
    case 'redefine':
      return [ofPipeline, [pipelineDefined(pipeline, ++counter + 1)]];
    case 'refusal':
      return [
        streams.refusals,
        [{ type: 'CommandRefused', command: 'c', subject: ofPipeline, code: 'x', detail: '' }],
      ];
    case 'health':
      return [
        ofPipeline,
        [
          {
            type: 'StageHealthChanged',
            stage: stageName,
            release: commitId(number),
            health: 'healthy',
            message: '',
            at: number,
          },
        ],
      ];
    case 'audit':
      return [
        streams.agentAudit(clusterId(cluster)),
        [
          {
            type: 'AgentAudited',
            cluster: clusterId(cluster),
            agentEpoch: 'e',
            sequence: ++counter,
            occurredAt: 0,
            pipeline,
            stage,
            generation: 1,
            commit: commitId(number),
            kind: 'ObjectsApplied',
            message: '',
          },
        ],
      ];
    case 'token':
      return [
        streams.hub,
        [{ type: 'TokenIssued', tokenId: `t${++counter}`, name: 'n', hash: 'h', role: 'viewer' }],
      ];
  }
}

async function seed({ log }: Pick<Fixture, 'log'>): Promise<void> {
  await append(log, streams.repository('environments'), repositoryDefined);
  for (const name of clusters) {
    await append(log, streams.cluster(name), clusterAdded(name), clusterEnrolled(name));
  }
  for (const name of pipelines) await append(log, streams.pipeline(name), pipelineDefined(name));
}

test('R12: after any history a rebuild gives the same tables, and so does a new file', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      await using fixture = await openFixture();
      await seed(fixture);
      for (const [index, one] of steps.entries()) {
        const [stream, events] = eventsOf(one);
        await append(fixture.log, stream, ...events);
        // Batches of different sizes must not matter.
        if (index % 7 === 0) await fixture.readModel.catchUp();
      }
      await fixture.readModel.catchUp();
      fixture.readModel.recordReports([report('eu-1', 'checkout')], 7);
      const live = hashTables(fixture.path);

      await fixture.readModel.rebuild();
      expect(hashTables(fixture.path)).toEqual(live);

      await fixture.reopen(() => rm(fixture.path));
      fixture.readModel.recordReports([report('eu-1', 'checkout')], 7);
      expect(hashTables(fixture.path)).toEqual(live);
    }),
    { numRuns: 15 },
  );
});

test('a rebuild keeps reports, and no reader sees a fleet that is only half folded', async () => {
  await using fixture = await openFixture();
  await seed(fixture);
  for (let number = 0; number < 1_200; number++) {
    await append(fixture.log, streams.pipeline('checkout'), releasesDiscovered(number));
  }
  await fixture.readModel.catchUp();
  fixture.readModel.recordReports([report('eu-1', 'checkout')], 42);
  const seen = new Set<number>();
  let done = false;
  const watch = async () => {
    while (!done) {
      seen.add(fixture.readModel.clusterSnapshots().length);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const watching = watch();
  await fixture.readModel.rebuild();
  done = true;
  await watching;
  expect([...seen]).toEqual([clusters.length]);
  expect(fixture.readModel.reportStreamSequence()).toBe(42);
  expect(fixture.readModel.snapshotOf('checkout')).toHaveLength(1);
});

test('a deleted file comes back from the log, and asks for all reports again', async () => {
  await using fixture = await openFixture();
  await seed(fixture);
  await fixture.readModel.catchUp();
  fixture.readModel.recordReports([report('eu-1', 'checkout')], 42);
  const readModel = await fixture.reopen(() => rm(fixture.path));
  expect(readModel.position()).toBe(await fixture.log.headPosition());
  expect(readModel.pipelineNames()).toEqual(pipelines);
  expect(readModel.reportStreamSequence()).toBe(0);
});

test.each([
  ['is no database', (path: string) => writeFile(path, 'not a database at all'.repeat(100))],
  ['was cut off', (path: string) => truncate(path, 5_000)],
])('a file that %s is made anew', async (_what, damage) => {
  await using fixture = await openFixture();
  await seed(fixture);
  await fixture.readModel.catchUp();
  const readModel = await fixture.reopen(async () => {
    await Promise.all(['-wal', '-shm'].map((end) => rm(fixture.path + end, { force: true })));
    await damage(fixture.path);
  });
  expect(readModel.pipelineNames()).toEqual(pipelines);
});

test('F01: a read model of another log is folded anew, also where that log is shorter', async () => {
  await using fixture = await openFixture();
  await seed(fixture);
  await fixture.readModel.close();
  const log = await openSqliteDecisionLog({ path: join(fixture.folder, 'other.sqlite') });
  await append(log, streams.cluster('other'), clusterAdded('other'));
  const readModel = await openReadModel({
    path: fixture.path,
    log,
    logger: silent,
    clock: { now: () => 0 },
  });
  expect(readModel.clusterSnapshots().map(({ name }) => name)).toEqual(['other']);
  expect(readModel.position()).toBe(1);
  await readModel.close();
  await log.close();
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterId, CommitId, NewId, PipelineName, StageName } from '@fairlead/shared/ids';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSqliteDecisionLog } from '../decision-log/index.ts';
import { completeDefinition } from '../domain/pipeline/index.ts';
import { type PipelineEvent, snapshotOf } from '../domain/promotion/index.ts';
import { createCommandHandler } from './index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-concurrent-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const checkout = 'checkout' as PipelineName;
const staging = 'staging' as StageName;
const commits = ['a', 'b'].map((digit) => digit.repeat(40) as CommitId);

it('Q-04: two people who promote different releases through two hubs at once get one rollout, and the other is on record', async () => {
  const clock = { now: () => 1_000 };
  const logs = await Promise.all(
    [0, 1].map(() => openSqliteDecisionLog({ path: join(folder, 'log.sqlite') })),
  );
  const hubs = logs.map((log) => createCommandHandler({ log, clock }));
  const [first] = hubs;
  const hubActor = { kind: 'hub', name: 'test' } as const;
  const definition = completeDefinition({
    name: checkout,
    project: 'default' as never,
    repository: 'shop' as never,
    include: ['apps/**'],
    exclude: [],
    stages: [
      {
        name: staging,
        clusters: { matchLabels: { environment: 'staging' } },
        path: 'apps',
        promote: 'manual',
      } as never,
    ],
  });
  await first?.pipeline(checkout, { type: 'define-pipeline', definition }, hubActor);
  const releases = commits.map((commit, index) => ({
    commit,
    position: index + 1,
    subject: '',
    authorName: '',
    authorEmail: '',
    committedAt: 0,
  }));
  const branch = { head: commits[1] as CommitId, releases, onBranch: commits, at: 1_000 };
  await first?.pipeline(checkout, { type: 'record-branch', ...branch }, hubActor);

  const snapshot = snapshotOf({
    at: 1_000,
    reports: [],
    clusters: [
      {
        id: 'stg' as ClusterId,
        name: 'stg' as never,
        labels: { environment: 'staging' },
        status: 'connected',
      },
    ],
  });
  const outcomes = await Promise.all(
    hubs.map(async (hub, index) => {
      const person = { kind: 'person', name: `person-${index}` } as const;
      const release = commits[index] as CommitId;
      const promote = {
        type: 'promote',
        stage: staging,
        release,
        force: false,
        at: 1_000,
      } as const;
      const outcome = await hub.pipeline(checkout, promote, person);
      const newIds = [`rollout0${index}` as NewId];
      await hub.pipeline(checkout, { type: 'advance', snapshot, newIds }, hubActor);
      return outcome;
    }),
  );
  const events: PipelineEvent[] = [];
  for await (const { event } of (logs[0] as (typeof logs)[number]).readStream(
    `pipeline/${checkout}`,
  )) {
    events.push(event as PipelineEvent);
  }
  const started = events.filter((event) => event.type === 'RolloutStarted');
  expect(started).toHaveLength(1);
  const winner = started[0]?.release;
  const loser = commits.find((commit) => commit !== winner);
  const states = await Promise.all(hubs.map((hub) => hub.pipelineState(checkout)));
  expect(states[0]).toEqual(states[1]);
  const [state] = states;
  const inStage = state?.status === 'active' ? state.stages.get(staging) : undefined;
  // The other was refused with its reason, was superseded by the winner, or waits for the rollout to end.
  const said = [
    outcomes[commits.indexOf(loser as CommitId)]?.ok === false,
    events.some((event) => event.type === 'ReleaseSuperseded' && event.release === loser),
    inStage?.request?.release === loser,
  ];
  expect(said.filter(Boolean)).toHaveLength(1);
  for (const log of logs) await log.close();
});

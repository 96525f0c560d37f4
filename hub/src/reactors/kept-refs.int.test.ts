import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  ClusterId,
  ClusterName,
  CommitId,
  PipelineName,
  RolloutId,
} from '@fairlead/shared/ids';
import { expect, test } from 'vitest';
import {
  evolvePipeline,
  initialPipelineState,
  type PipelineEvent,
} from '../domain/promotion/index.ts';
import { createNativeGit } from '../git/index.ts';
import { createGitHost, createUpstream } from '../git/testing/index.ts';
import { releaseKeptMs } from '../limits.ts';
import { pipelineDefined } from '../read-model/testing/index.ts';
import { dropKeptRefs } from './kept-refs.ts';

const pipelines = ['checkout' as PipelineName];
const at = 10 * releaseKeptMs;
const target = { cluster: 'aaaaaaaa' as ClusterId, clusterName: 'a' as ClusterName };

/** Each commit succeeded in staging in its turn; production has none yet, or the last of them. */
function history(commits: readonly CommitId[], production: boolean): PipelineEvent[] {
  const rollout = (release: CommitId, index: number, name: string): PipelineEvent[] => {
    const common = { stage: name as never, release, rolloutId: `${name}0${index}` as RolloutId };
    return [
      {
        type: 'RolloutStarted',
        ...common,
        kind: 'promotion',
        generation: index + 1,
        batches: [[target]],
        at: 0,
        deadlineAt: 1,
      },
      { type: 'RolloutSucceeded', ...common, targetsSucceeded: 1, targetsTotal: 1 },
    ];
  };
  const releases = commits.map((commit, index) => ({
    commit,
    position: index + 1,
    subject: '',
    authorName: '',
    authorEmail: '',
    committedAt: 0,
  }));
  const last = commits.at(-1);
  return [
    pipelineDefined('checkout') as PipelineEvent,
    { type: 'ReleasesDiscovered', releases },
    ...commits.slice(-2).flatMap((commit, index) => rollout(commit, index, 'staging')),
    ...(production && last ? rollout(last, 9, 'production') : []),
  ];
}

test('RB-13: on a real mirror only what nothing needs and what is old loses its ref', async () => {
  const root = await mkdtemp(join(tmpdir(), 'fairlead-kept-refs-'));
  const git = createNativeGit({ environment: process.env });
  const host = await createGitHost({ root, environment: process.env });
  try {
    const upstream = createUpstream(join(root, 'upstream'), process.env);
    const base = upstream.commit();
    const commits = [1, 2, 3, 4].map((number) => upstream.commit({ files: { a: `${number}` } }));
    const [first, second, third, fourth] = commits as [CommitId, CommitId, CommitId, CommitId];
    const directory = join(root, 'mirror.git');
    const fetchMain = () =>
      git.fetchMirror({ url: host.url('upstream'), branch: 'main', directory });
    await fetchMain();
    const foreign = base;
    for (const commit of [...commits, foreign]) await git.keepRef(directory, commit);
    const drop = (events: readonly PipelineEvent[], old: readonly CommitId[]) =>
      dropKeptRefs(
        {
          git,
          commands: {
            pipelineState: async () => events.reduce(evolvePipeline, initialPipelineState),
          },
          releasesDiscoveredBefore: (_, before) => (before === at - releaseKeptMs ? old : []),
        },
        { directory, pipelines, at },
      );

    // Production has had nothing yet, so everything may still come to it.
    expect(await drop(history(commits, false), commits)).toBe(0);
    // Nothing is old.
    expect(await drop(history(commits, true), [])).toBe(0);
    expect(await drop(history(commits, true), commits)).toBe(2);
    // The third is what staging would go back to, and of the foreign one no pipeline knows.
    expect(await git.keptRefs(directory)).toEqual(new Set([third, fourth, foreign]));

    upstream.git('reset', '--hard', '--quiet', base);
    await fetchMain();
    execFileSync('git', ['--git-dir', directory, 'reflog', 'expire', '--expire=now', '--all']);
    execFileSync('git', ['--git-dir', directory, 'gc', '--quiet', '--prune=now']);
    await expect(git.readObject(directory, third)).resolves.toMatchObject({ type: 'commit' });
    // They are parents of what is kept, so they stay as well.
    await expect(git.readObject(directory, first)).resolves.toMatchObject({ type: 'commit' });
    await expect(git.readObject(directory, second)).resolves.toMatchObject({ type: 'commit' });
  } finally {
    await host[Symbol.asyncDispose]();
    await git.close();
    await rm(root, { recursive: true, force: true });
  }
});

test('RB-13: while a pipeline of the repository is not known, nothing is dropped', async () => {
  const dropped = await dropKeptRefs(
    {
      git: {
        keptRefs: () => Promise.reject(new Error('nobody asks')),
        dropRef: () => Promise.reject(new Error('nobody drops')),
      },
      commands: { pipelineState: async () => initialPipelineState },
      releasesDiscoveredBefore: () => [],
    },
    { directory: '', pipelines, at },
  );
  expect(dropped).toBe(0);
});

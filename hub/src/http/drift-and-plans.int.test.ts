import { err, ok } from '@fairlead/shared/result';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { streams } from '../domain/events.ts';
import type { Assignment } from '../domain/rollout/index.ts';
import {
  append,
  clusterAdded,
  clusterConnected,
  clusterEnrolled,
  clusterId,
  commitId,
  pipelineDefined,
  releasesDiscovered,
  report,
  repositoryDefined,
  rolloutStarted,
} from '../read-model/testing/index.ts';
import type { PlanOutcome } from './dependencies.ts';
import { type HttpFixture, startHttpFixture } from './testing/server.ts';

let api: HttpFixture;
const asked: Assignment[] = [];
let answer: (assignment: Assignment) => PlanOutcome;

const nothing: Extract<PlanOutcome, { ok: true }>['value'] = {
  error: '',
  objects: [],
  totals: { create: 0, configure: 0, unchanged: 2, prune: 0, keep: 0, refuse: 0 },
  objectsTruncated: 0,
  pruneHeld: '',
};
const object = { group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'web' };
const differences = [{ path: 'spec.replicas', liveJson: '7', desiredJson: '1' }];

beforeAll(async () => {
  api = await startHttpFixture({
    planOf: async (_, assignment) => {
      asked.push(assignment);
      return answer(assignment);
    },
  });
  for (const name of ['eu-1', 'eu-2']) {
    const added = clusterAdded(name, { environment: 'staging' });
    await append(api.log, streams.cluster(name), added, clusterEnrolled(name), clusterConnected);
  }
  await append(api.log, streams.repository('environments'), repositoryDefined);
  const rollout = { stage: 'staging', release: 1, rollout: 1, generation: 4 };
  await append(
    api.log,
    streams.pipeline('checkout'),
    pipelineDefined('checkout'),
    releasesDiscovered(1, 2),
    ...rolloutStarted({ ...rollout, clusters: ['eu-1', 'eu-2'] }),
  );
  await api.readModel.catchUp();
});
afterAll(() => api[Symbol.asyncDispose]());
beforeEach(() => {
  asked.length = 0;
  answer = () => ok(nothing);
});

describe('drift', () => {
  const drift = (name: string) => ({
    object: { ...object, name },
    state: 'reported' as const,
    change: 'changed' as const,
    managers: ['kubectl-edit'],
    differences,
    differencesTotal: 3,
  });
  const names = (body: { items: { cluster: string; object: { name: string } }[] }) =>
    body.items.map((item) => `${item.cluster}/${item.object.name}`);

  test('F22: each object is listed with its fields, and with the commit, generation and time of its report', async () => {
    const drifts = [drift('web'), drift('worker')];
    const of = { drifts, driftsTotal: 2, ignoredTotal: 1, generation: 4 };
    api.readModel.recordReports(
      [
        report('eu-1', 'checkout', of),
        report('eu-2', 'checkout', { drifts: [drift('api')], driftsTotal: 1, generation: 3 }),
      ],
      1,
    );
    const { body } = await api.call('GET', '/api/v1/drift');
    expect(names(body)).toEqual(['eu-1/web', 'eu-1/worker', 'eu-2/api']);
    expect(body.items[0]).toEqual({
      pipeline: 'checkout',
      stage: 'staging',
      cluster: 'eu-1',
      generation: 4,
      commit: commitId(1),
      receivedAt: new Date(5_000).toISOString(),
      current: true,
      object: { ...object, name: 'web' },
      state: 'reported',
      change: 'changed',
      managers: ['kubectl-edit'],
      differences: [{ path: 'spec.replicas', live: 7, desired: 1 }],
      differencesTotal: 3,
    });
    expect(body.items[2]).toMatchObject({ generation: 3, current: false });
    const targets = await api.call('GET', '/api/v1/pipelines/checkout/stages/staging/targets');
    expect(targets.body.items[0].report).toMatchObject({ driftsTotal: 2, ignoredTotal: 1 });
  });

  test('is filtered, and comes in pages that join to the whole', async () => {
    const list = (query: string) => api.call('GET', `/api/v1/drift?${query}`);
    expect(names((await list('cluster=eu-2')).body)).toEqual(['eu-2/api']);
    expect(names((await list('pipeline=checkout&stage=production')).body)).toEqual([]);
    const found: string[] = [];
    let cursor = '';
    do {
      const { body } = await list(`limit=2&pipeline=checkout${cursor && `&cursor=${cursor}`}`);
      found.push(...names(body));
      cursor = body.nextCursor ?? '';
    } while (cursor !== '');
    expect(found).toEqual(['eu-1/web', 'eu-1/worker', 'eu-2/api']);
  });

  test('of a name that is not there is no empty list', async () => {
    for (const query of ['pipeline=nothing', 'cluster=nothing', 'pipeline=checkout&stage=no']) {
      expect((await api.call('GET', `/api/v1/drift?${query}`)).status, query).toBe(404);
    }
  });

  test('is gone when the newest report has none', async () => {
    api.readModel.recordReports([report('eu-1', 'checkout', { sequence: 2 })], 2);
    expect(names((await api.call('GET', '/api/v1/drift')).body)).toEqual(['eu-2/api']);
  });
});

describe('a plan', () => {
  const plan = (body: object, stage = 'staging', headers = {}) =>
    api.call('POST', `/api/v1/pipelines/checkout/stages/${stage}:plan`, body, headers);

  test('asks each cluster of the stage about the newest release, as it would be assigned', async () => {
    answer = () =>
      ok({
        ...nothing,
        objects: [{ object, action: 'configure', differences, differencesTotal: 1, message: '' }],
        totals: { ...nothing.totals, configure: 1 },
      });
    const position = await api.log.headPosition();
    const { status, body } = await plan({});
    expect(status).toBe(200);
    expect(body).toMatchObject({
      changes: true,
      clusters: [
        {
          cluster: 'eu-1',
          release: commitId(2),
          objects: [
            {
              action: 'configure',
              differences: [{ path: 'spec.replicas', live: 7, desired: 1 }],
            },
          ],
        },
        { cluster: 'eu-2' },
      ],
    });
    expect(asked).toMatchObject([
      {
        cluster: clusterId('eu-1'),
        commit: commitId(2),
        generation: 5,
        path: 'apps/staging',
        root: 'apps',
        disposition: 'run',
      },
      { cluster: clusterId('eu-2') },
    ]);
    // Nothing was decided or recorded.
    expect(await api.log.headPosition()).toBe(position);
  });

  test('of what is assigned is asked with that very assignment', async () => {
    const { body } = await plan({ assigned: true, cluster: 'eu-2' });
    expect(asked).toEqual([api.readModel.assignment(clusterId('eu-2'), 'checkout', 'staging')]);
    expect(body).toMatchObject({ changes: false, clusters: [{ release: commitId(1) }] });
  });

  test('says of each cluster why it has none', async () => {
    answer = ({ clusterName }) =>
      clusterName === 'eu-1'
        ? err({ code: 'not_connected', detail: 'its agent is not connected to this hub' })
        : ok({ ...nothing, error: 'template: unexpected end' });
    expect((await plan({ release: commitId(1) })).body.clusters).toMatchObject([
      { cluster: 'eu-1', error: expect.stringContaining('not connected'), objects: [] },
      { cluster: 'eu-2', error: 'template: unexpected end' },
    ]);
  });

  test('a viewer may ask; an unknown cluster, stage or release is named', async () => {
    const asViewer = { authorization: `Bearer ${api.viewerToken}` };
    expect((await plan({}, 'staging', asViewer)).status).toBe(200);
    expect((await plan({ cluster: 'nothing' })).body.detail).toMatch(/"nothing"/);
    expect((await plan({ cluster: 'eu-1' }, 'production')).body.detail).toMatch(/does not select/);
    expect((await plan({}, 'nowhere')).status).toBe(404);
    expect((await plan({ release: 'b'.repeat(40) })).status).toBe(404);
  });
});

import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { AuditKind } from '../../domain/link/index.ts';
import { fightDelayMsMin, fightRepairsMax, fightWindowMs } from '../../limits.ts';
import {
  type Agent,
  type AssignmentChange,
  assignmentOf,
  configMap,
  configMapAddress,
  createWorld,
  deployment,
  deploymentAddress,
  startAgent,
  type World,
} from '../testing/index.ts';

const agents: Agent[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

const unit = 'checkout/staging';

async function settled(world: World, apply: AssignmentChange['apply'] = {}): Promise<Agent> {
  world.renders.set('a', [configMap('one'), deployment('web')]);
  const agent = await startAgent(world);
  agents.push(agent);
  agent.reconciler.offer(assignmentOf(unit, 1, 'a', { apply }));
  await isSettled(agent, 1);
  return agent;
}

const isSettled = (agent: Agent, generation: number) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: 'settled', generation }), {
    timeout: 5_000,
    interval: 5,
  });

const audited = (agent: Agent, kind: AuditKind, count = 1) =>
  vi.waitFor(
    () => {
      const found = agent.audits.filter((entry) => entry.kind === kind);
      expect(found).toHaveLength(count);
      return found[count - 1];
    },
    { timeout: 5_000, interval: 5 },
  );

const setValue = (world: World, value: string, manager = 'kubectl-edit') =>
  world.cluster.edit(configMapAddress('one'), manager, (object) => {
    object.data = { value };
  });
const scale = (world: World, replicas: number, manager = 'hpa') =>
  world.cluster.edit(deploymentAddress('web'), manager, (object) => {
    (object.spec as { replicas: number }).replicas = replicas;
  });
const liveOf = async (world: World, name: 'one' | 'web'): Promise<KubernetesObject> => {
  const address = name === 'one' ? configMapAddress(name) : deploymentAddress(name);
  return (await world.cluster.get(address)) as KubernetesObject;
};
/** Requests that concern the unit's objects, watches and lists aside. */
const asked = ({ requests }: World) =>
  requests.filter(({ kind, verb }) => kind !== 'Unit' && verb !== 'watch' && verb !== 'list');

describe('what costs a request', () => {
  test('F32: a hundred status writes and foreign fields cost none', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.requests.length = 0;
    for (let write = 0; write < 100; write++) {
      world.cluster.setStatus(deploymentAddress('web'), {
        observedGeneration: 1,
        readyReplicas: write % 2,
      });
      world.cluster.edit(configMapAddress('one'), 'other', (object) => {
        object.metadata.annotations = { ...object.metadata.annotations, 'other/seen': `${write}` };
      });
    }
    // What comes after them has been seen, so all of them have.
    world.cluster.drop(configMapAddress('one'));
    await audited(agent, 'DriftRepaired');
    expect(asked(world)).toEqual([
      { verb: 'apply', kind: 'ConfigMap', namespace: 'default', name: 'one' },
    ]);
  });

  test('a repair costs one request', async () => {
    const world = createWorld();
    const agent = await settled(world);
    world.requests.length = 0;
    setValue(world, 'by hand');
    await audited(agent, 'DriftRepaired');
    expect(asked(world).map(({ verb }) => verb)).toEqual(['apply']);
  });
});

test('an edit between our write and its answer is repaired too', async () => {
  const world = createWorld();
  const { apply } = world.cluster;
  let edits = 0;
  const cluster = {
    ...world.cluster,
    apply: async (...call: Parameters<typeof apply>) => {
      const answer = await apply(...call);
      if (call[0].kind === 'ConfigMap' && edits++ < 2) {
        setValue(world, 'in between');
        // The watch tells of the edit before the answer to our write is read.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return answer;
    },
  };
  const agent = await settled({ ...world, cluster });
  await audited(agent, 'DriftRepaired', 2);
  expect((await liveOf(world, 'one')).data).toEqual({ value: 'a' });
  expect(agent.audits.findLast(({ kind }) => kind === 'DriftRepaired')?.details).toMatchObject({
    differences: [{ path: 'data.value', live: 'in between', desired: 'a' }],
  });
});

test('a stripped label is told apart from a deletion', async () => {
  const world = createWorld();
  const agent = await settled(world);
  world.cluster.edit(configMapAddress('one'), 'kubectl-label', (object) => {
    delete object.metadata.labels;
  });
  expect(await audited(agent, 'DriftRepaired')).toMatchObject({
    message: expect.stringContaining('lost its ApplySet label'),
    details: {
      change: 'released',
      differences: [{ path: 'metadata.labels["applyset.kubernetes.io/part-of"]' }],
    },
  });
});

describe('the policy report', () => {
  test('what has drifted is in the report with its fields until it is as the commit wants it', async () => {
    const world = createWorld();
    const agent = await settled(world, { drift: 'report' });
    setValue(world, 'by hand');
    await vi.waitFor(() =>
      expect(agent.report(unit)).toMatchObject({
        health: 'Healthy',
        phase: 'settled',
        driftsTotal: 1,
        message: expect.stringContaining('by policy is not repaired'),
        drifts: [
          {
            object: { kind: 'ConfigMap', name: 'one' },
            state: 'reported',
            change: 'changed',
            managers: ['kubectl-edit'],
            differences: [{ path: 'data.value', live: 'by hand', desired: 'a' }],
          },
        ],
      }),
    );
    // A person takes the commit's value and gives the field back, as an apply by the agent's name does.
    await world.cluster.apply(
      { ...(await liveOf(world, 'one')), data: { value: 'a' } },
      { force: true },
    );
    await vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ driftsTotal: 0 }));
  });

  test.each([
    ['deleted', (world: World) => world.cluster.drop(configMapAddress('one'))],
    [
      'released',
      (world: World) =>
        world.cluster.edit(configMapAddress('one'), 'kubectl-label', (object) => {
          delete object.metadata.labels;
        }),
    ],
  ] as const)('an object that was %s is reported as such and not touched', async (change, hurt) => {
    const world = createWorld();
    const agent = await settled(world, { drift: 'report' });
    world.requests.length = 0;
    hurt(world);
    expect(await audited(agent, 'DriftDetected')).toMatchObject({ details: { change } });
    await vi.waitFor(() => expect(agent.report(unit)?.drifts).toMatchObject([{ change }]));
    expect(asked(world).filter(({ verb }) => verb === 'apply' || verb === 'remove')).toEqual([]);
  });

  test('the data of a Secret is in no report and no audit entry', async () => {
    const world = createWorld();
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: configMap('one').metadata };
    world.renders.set('a', [{ ...secret, data: { password: 'b2xk' } }]);
    const agent = await startAgent(world);
    agents.push(agent);
    agent.reconciler.offer(assignmentOf(unit, 1, 'a', { apply: { drift: 'report' } }));
    await isSettled(agent, 1);
    world.cluster.edit({ ...configMapAddress('one'), kind: 'Secret' }, 'kubectl', (object) => {
      object.data = { password: 'bmV3' };
    });
    await audited(agent, 'DriftDetected');
    const said = JSON.stringify([agent.reports, agent.audits]);
    expect(said).toContain('data.password');
    expect(said).not.toMatch(/b2xk|bmV3/);
  });
});

describe('F37: a fight', () => {
  test('is named in the report with its fields, and ends visibly after a quiet time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const world = createWorld();
    const agent = await settled(world);
    for (let edit = 1; edit <= fightRepairsMax; edit++) {
      setValue(world, `edit ${edit}`, 'rival');
      await audited(agent, 'DriftRepaired', edit);
    }
    setValue(world, 'one too many', 'rival');
    expect(await audited(agent, 'DriftFight')).toMatchObject({ details: { managers: ['rival'] } });
    await vi.waitFor(() =>
      expect(agent.report(unit)).toMatchObject({
        message: expect.stringContaining('rival keeps changing ConfigMap default/one'),
        drifts: [
          {
            state: 'fight',
            managers: ['rival'],
            differences: [{ path: 'data.value', live: 'one too many', desired: 'a' }],
          },
        ],
      }),
    );
    expect((await liveOf(world, 'one')).data).toEqual({ value: 'one too many' });

    await vi.advanceTimersByTimeAsync(fightDelayMsMin);
    await audited(agent, 'DriftRepaired', fightRepairsMax + 1);
    expect((await liveOf(world, 'one')).data).toEqual({ value: 'a' });

    await vi.advanceTimersByTimeAsync(fightWindowMs + 4 * fightDelayMsMin);
    await audited(agent, 'DriftFightEnded');
    await vi.waitFor(() =>
      expect(agent.report(unit)).toMatchObject({ driftsTotal: 0, message: '' }),
    );
    setValue(world, 'years later', 'rival');
    await audited(agent, 'DriftRepaired', fightRepairsMax + 2);
  });
});

describe('ignore rules', () => {
  const replicas = {
    ignoreDifferences: [
      {
        group: 'apps',
        kind: 'Deployment',
        namespace: '',
        name: '',
        jsonPointers: ['/spec/replicas'],
        managers: [],
      },
    ],
  };
  const replicasOf = async (world: World) =>
    ((await liveOf(world, 'web')).spec as { replicas?: number }).replicas;

  test.each(['repair', 'report'] as const)(
    'under %s, a field that a scaler sets is no drift and stays, over later commits too',
    async (drift) => {
      const world = createWorld();
      const agent = await settled(world, { ...replicas, drift });
      expect(await replicasOf(world)).toBe(1);
      scale(world, 5);
      await vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ ignoredTotal: 1 }));
      scale(world, 7);
      world.renders.set('b', [configMap('one', 'b'), deployment('web', 'web:2')]);
      agent.reconciler.offer(assignmentOf(unit, 2, 'b', { apply: { ...replicas, drift } }));
      await isSettled(agent, 2);
      expect(await replicasOf(world)).toBe(7);
      expect((await liveOf(world, 'web')).spec).toMatchObject({
        template: { spec: { containers: [{ image: 'web:2' }] } },
      });
      expect(agent.kinds().filter((kind) => kind.startsWith('Drift'))).toEqual([]);
      expect(agent.report(unit)).toMatchObject({ driftsTotal: 0 });
    },
  );

  test('another field of the same object is still repaired, and the ignored one stays', async () => {
    const world = createWorld();
    const agent = await settled(world, replicas);
    world.cluster.edit(deploymentAddress('web'), 'kubectl-edit', (object) => {
      object.spec = { ...(deployment('web', 'web:by-hand').spec as object), replicas: 9 };
    });
    expect(await audited(agent, 'DriftRepaired')).toMatchObject({
      details: {
        differencesTotal: 1,
        differences: [{ path: 'spec.template.spec.containers[name=web].image' }],
      },
    });
    expect(await replicasOf(world)).toBe(9);
  });

  test('a deleted object comes back whole', async () => {
    const world = createWorld();
    const agent = await settled(world, replicas);
    scale(world, 5);
    await vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ ignoredTotal: 1 }));
    world.cluster.drop(deploymentAddress('web'));
    await audited(agent, 'DriftRepaired');
    expect(await replicasOf(world)).toBe(1);
  });

  test('fields of a named manager are left to it', async () => {
    const world = createWorld();
    const rule = { group: '', kind: '', namespace: '', name: '', jsonPointers: [] };
    const agent = await settled(world, { ignoreDifferences: [{ ...rule, managers: ['hpa'] }] });
    scale(world, 5, 'hpa');
    await vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ ignoredTotal: 1 }));
    expect(await replicasOf(world)).toBe(5);
    setValue(world, 'by hand');
    await audited(agent, 'DriftRepaired');
    expect(await replicasOf(world)).toBe(5);
    expect((await liveOf(world, 'one')).data).toEqual({ value: 'a' });
  });

  test('an object whose annotation is no pointer fails the unit with the place', async () => {
    const world = createWorld();
    const one = configMap('one');
    one.metadata.annotations = { 'fairlead.dev/ignore-differences': 'data.value' };
    world.renders.set('a', [one]);
    const agent = await startAgent(world);
    agents.push(agent);
    agent.reconciler.offer(assignmentOf(unit, 1, 'a'));
    await vi.waitFor(() =>
      expect(agent.report(unit)).toMatchObject({
        phase: 'failed',
        terminal: true,
        message: expect.stringMatching(/ConfigMap\/default\/one has "data\.value".*JSON pointer/),
      }),
    );
  });
});

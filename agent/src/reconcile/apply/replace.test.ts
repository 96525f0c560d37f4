import type { KubernetesObject } from '@fairlead/shared/manifest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ClusterError } from '../../cluster/index.ts';
import {
  type Agent,
  assignmentOf,
  configMapAddress,
  createWorld,
  deployment,
  deploymentAddress,
  startAgent,
  type World,
} from '../testing/index.ts';

const agents: Agent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.kill()));
});

async function start(world: World): Promise<Agent> {
  const agent = await startAgent(world);
  agents.push(agent);
  return agent;
}
const unit = 'checkout/staging';
const offer = (agent: Agent, generation: number, commit: string) =>
  agent.reconciler.offer(assignmentOf(unit, generation, commit));
const phase = (agent: Agent, expected: string, generation: number) =>
  vi.waitFor(() => expect(agent.report(unit)).toMatchObject({ phase: expected, generation }), {
    timeout: 5_000,
    interval: 5,
  });

/** A Deployment whose selector, which never changes, selects the label. */
function selecting(label: string, annotations: Record<string, string> = {}): KubernetesObject {
  const object = deployment('web');
  const spec = object.spec as { selector: object; template: { metadata: object } };
  spec.selector = { matchLabels: { app: label } };
  spec.template.metadata = { labels: { app: label } };
  return { ...object, metadata: { ...object.metadata, annotations } };
}
const uidOf = async (world: World) =>
  (await world.cluster.get(deploymentAddress('web')))?.metadata.uid;
const removals = (world: World) => world.requests.filter(({ verb }) => verb === 'remove').length;

async function changedSelector(annotations: Record<string, string>) {
  const world = createWorld();
  world.renders.set('a', [selecting('one', annotations)]);
  world.renders.set('b', [selecting('two', annotations)]);
  const agent = await start(world);
  offer(agent, 1, 'a');
  await phase(agent, 'settled', 1);
  const uid = await uidOf(world);
  return { world, agent, uid };
}

describe('a field that cannot be changed', () => {
  test('fails the unit with the field’s name and the remedy, and nothing is deleted', async () => {
    const { world, agent, uid } = await changedSelector({});
    offer(agent, 2, 'b');
    await phase(agent, 'failed', 2);
    expect(agent.report(unit)?.message).toMatch(
      /^Deployment default\/web: spec\.selector of a live object cannot be changed .*fairlead\.dev\/replace: "enabled"$/,
    );
    expect(agent.report(unit)?.terminal).toBe(true);
    expect(await uidOf(world)).toBe(uid);
    expect(removals(world)).toBe(0);
  });

  test.each<Record<string, string>>([
    { 'fairlead.dev/replace': 'enabled' },
    { 'argocd.argoproj.io/sync-options': 'Replace=true,Force=true' },
    { 'kustomize.toolkit.fluxcd.io/force': 'enabled' },
  ])('is a reason to make the object anew where it says %j, and the audit tells', async (asked) => {
    const { world, agent, uid } = await changedSelector(asked);
    offer(agent, 2, 'b');
    await phase(agent, 'settled', 2);
    expect(await uidOf(world)).not.toBe(uid);
    expect(removals(world)).toBe(1);
    expect(agent.audits.find(({ kind }) => kind === 'ObjectReplaced')).toMatchObject({
      details: { uid, fields: ['spec.selector'] },
    });
  });

  test.each<Record<string, string>>([
    { 'argocd.argoproj.io/sync-options': 'Replace=true' },
    { 'fairlead.dev/replace': 'true' },
  ])('%j does not ask for it', async (asked) => {
    const { world, agent, uid } = await changedSelector(asked);
    offer(agent, 2, 'b');
    await phase(agent, 'failed', 2);
    expect(await uidOf(world)).toBe(uid);
  });

  test('promise 11: a kill between the delete and the new object loses nothing', async () => {
    const { world, agent } = await changedSelector({ 'fairlead.dev/replace': 'enabled' });
    let removed = false;
    world.obstacle.onRequest = ({ verb }) => {
      if (verb === 'remove') removed = true;
      else if (removed) throw new ClusterError('unavailable', 'killed');
    };
    offer(agent, 2, 'b');
    await phase(agent, 'failed', 2);
    expect(world.cluster.objects().filter(({ kind }) => kind === 'Deployment')).toEqual([]);
    expect(agent.kinds()).toContain('ObjectReplaced');
    await agent.kill();
    world.obstacle.onRequest = () => {};
    const second = await start(world);
    await phase(second, 'settled', 2);
    const live = await world.cluster.get(deploymentAddress('web'));
    expect(JSON.stringify(live?.spec)).toContain('two');
  });

  test('waits for the end of an old object that its finalizers hold, and then makes the new one', async () => {
    const { world, agent } = await changedSelector({ 'fairlead.dev/replace': 'enabled' });
    world.cluster.edit(deploymentAddress('web'), 'somebody', (object) => {
      object.metadata.finalizers = ['example.com/hold'];
    });
    offer(agent, 2, 'b');
    await phase(agent, 'waiting', 2);
    expect(agent.report(unit)?.message).toContain('Deployment default/web');
    world.cluster.edit(deploymentAddress('web'), 'somebody', (object) => {
      object.metadata.finalizers = [];
    });
    await phase(agent, 'settled', 2);
    const live = await world.cluster.get(deploymentAddress('web'));
    expect(JSON.stringify(live?.spec)).toContain('two');
    expect(agent.kinds().filter((kind) => kind === 'ObjectReplaced')).toHaveLength(1);
  });
});

test('an object that is refused for what it is, and not for the change, is never deleted', async () => {
  const { world, agent, uid } = await changedSelector({ 'fairlead.dev/replace': 'enabled' });
  world.obstacle.onRequest = ({ verb, kind }) => {
    if (kind !== 'Deployment' || (verb !== 'apply' && verb !== 'dry-run')) return;
    throw new ClusterError('invalid', 'spec.selector: Invalid value: no such operator', {
      status: 422,
      faults: [
        { reason: 'FieldValueInvalid', field: 'spec.selector', message: 'no such operator' },
      ],
    });
  };
  offer(agent, 2, 'b');
  await phase(agent, 'failed', 2);
  expect(agent.report(unit)?.message).toContain('no such operator');
  expect(await uidOf(world)).toBe(uid);
  expect(removals(world)).toBe(0);
});

test('what holds data is made anew only when that is asked for twice', async () => {
  const claim = (size: string, annotations: Record<string, string>): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default', annotations },
    spec: { storageClassName: size },
  });
  const once = { 'fairlead.dev/replace': 'enabled' };
  const twice = { ...once, 'fairlead.dev/replace-loses-content': 'accepted' };
  const world = createWorld((object) =>
    object.kind === 'PersistentVolumeClaim' ? { phase: 'Bound' } : undefined,
  );
  world.renders.set('a', [claim('slow', once)]);
  world.renders.set('b', [claim('fast', once)]);
  world.renders.set('c', [claim('fast', twice)]);
  const agent = await start(world);
  offer(agent, 1, 'a');
  await phase(agent, 'settled', 1);
  offer(agent, 2, 'b');
  await phase(agent, 'failed', 2);
  expect(agent.report(unit)?.message).toContain('fairlead.dev/replace-loses-content: "accepted"');
  expect(removals(world)).toBe(0);
  offer(agent, 3, 'c');
  await phase(agent, 'settled', 3);
  expect(removals(world)).toBe(1);
  expect(await world.cluster.get(configMapAddress('none'))).toBeUndefined();
});

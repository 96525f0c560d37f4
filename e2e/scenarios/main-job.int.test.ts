import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem, temporaryDirectory, waitFor } from '../stack/index.ts';
import {
  auditFaults,
  deployment,
  expectSucceeded,
  objectIn,
  pipelineOf,
  repositoryResource,
  rolloutOf,
  settings,
  twoClusters,
  wholeAudit,
  writeBoth,
} from './shop.ts';

const stack = new AsyncDisposableStack();
let system: System;
let healthy: string;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  system = stack.use(await startSystem({ directory: path, clusters: twoClusters }));
  await system.copy.write('README.md', 'An environment repository.\n');
  await system.push('a first commit that is no release');
  await system.applyResources(
    repositoryResource + pipelineOf('shop', { soak: '1s' }) + pipelineOf('other'),
  );
});
afterAll(() => stack.disposeAsync());

const production = () => system.cluster('production-1').controlPlane;
const webPath = '/apis/apps/v1/namespaces/shop/deployments/web';
const configPath = (namespace: string, name: string) =>
  `/api/v1/namespaces/${namespace}/configmaps/${name}`;

test('a pushed commit becomes healthy in staging, soaks, and becomes healthy in production', async () => {
  await writeBoth(system, 'shop', deployment('web', '1.0.0') + settings('shop', 'a'));
  healthy = await system.push('shop: first release');
  await expectSucceeded(system, 'shop', healthy);

  const web = await objectIn(production(), webPath);
  expect(web.status.readyReplicas).toBe(1);
  expect(web.metadata.labels['applyset.kubernetes.io/part-of']).toMatch(/^applyset-/);
  expect(web.metadata.annotations['fairlead.dev/owner']).toBe(
    'shop/production:apps/Deployment/shop/web',
  );
});

test('promises 1 and 2: the admission to production has every gate passed, on record with evidence', async () => {
  const { items } = await system.hub.api('GET', '/pipelines/shop/admissions?stage=production');
  const admission = items.find(({ release }: { release: string }) => release === healthy);
  expect(admission.gates.map(({ gate }: { gate: string }) => gate)).toEqual(
    expect.arrayContaining(['order', 'health', 'soak']),
  );
  expect(admission.gates.every(({ passed }: { passed: boolean }) => passed)).toBe(true);

  const audit = await wholeAudit(system);
  const at = (type: string, stage: string) =>
    audit.find(
      (entry) =>
        entry.type === type && entry.event.stage === stage && entry.event.release === healthy,
    );
  const stagingSucceeded = at('RolloutSucceeded', 'staging');
  const productionAdmitted = at('ReleaseAdmitted', 'production');
  expect(stagingSucceeded.position).toBeLessThan(productionAdmitted.position);
  const soak = productionAdmitted.event.gates.find(({ gate }: { gate: string }) => gate === 'soak');
  expect(soak.evidence['staging.soakedMs']).toBeGreaterThanOrEqual(1_000);
});

test('a bad commit is stopped in staging, production stays as it was, and explain says why', async () => {
  await writeBoth(system, 'shop', deployment('web', 'broken') + settings('shop', 'b'));
  const bad = await system.push('shop: an image that cannot be pulled');
  const { state } = await rolloutOf(system, { pipeline: 'shop', stage: 'staging', release: bad });
  expect(state).toBe('failed');

  expect((await objectIn(production(), webPath)).spec.template.spec.containers[0].image).toMatch(
    /:1\.0\.0$/,
  );
  expect((await objectIn(production(), configPath('shop', 'shop'))).data.value).toBe('a');
  const staging = await system.hub.cli(['explain', 'shop/staging', bad]);
  expect(staging).toMatch(/ImagePullBackOff/);
  expect(await system.hub.cli(['explain', 'shop/production', bad])).toMatch(/staging/);
});

test('Q-03: the fix of a bad commit goes through', async () => {
  await writeBoth(system, 'shop', deployment('web', '1.0.1') + settings('shop', 'c'));
  const fix = await system.push('shop: an image that exists');
  await expectSucceeded(system, 'shop', fix);
  expect((await objectIn(production(), configPath('shop', 'shop'))).data.value).toBe('c');
});

test('a rollback returns to the last succeeded release and holds the stage', async () => {
  await system.hub.cli(['rollback', 'shop/production', '--reason', 'orders are slow']);
  await waitFor('production runs the former release', async (see) => {
    const web = await objectIn(production(), webPath);
    see(web?.spec.template.spec.containers[0].image);
    return web?.spec.template.spec.containers[0].image.endsWith(':1.0.0');
  });
  const stage = await system.hub.api('GET', '/pipelines/shop/stages/production');
  expect(stage.held).toMatchObject({ automatic: true });
  expect(await system.hub.cli(['explain', 'shop/production'])).toMatch(/held/i);
  await system.hub.cli(['resume', 'shop/production', '--reason', 'the database was the cause']);
});

test('F04, F05: an empty folder and a failed render delete nothing', async () => {
  await writeBoth(system, 'shop', deployment('web', '1.0.2') + settings('shop', 'd'));
  await expectSucceeded(system, 'shop', await system.push('shop: both objects'));
  for (const [manifest, reason] of [
    ['# nothing here\n', 'the folder renders nothing'],
    ['kind: [broken\n', 'the folder does not parse'],
  ] as const) {
    await writeBoth(system, 'shop', manifest);
    const commit = await system.push(`shop: ${reason}`);
    const rollout = await rolloutOf(system, {
      pipeline: 'shop',
      stage: 'staging',
      release: commit,
    });
    expect(rollout.state, reason).toBe('failed');
    const { controlPlane } = system.cluster('staging-1');
    expect(await objectIn(controlPlane, configPath('shop', 'shop')), reason).toBeDefined();
    expect(await objectIn(controlPlane, webPath), reason).toBeDefined();
  }
});

test('promise 7: what a commit no longer has is removed only after the new objects are healthy', async () => {
  const { controlPlane } = system.cluster('staging-1');
  await writeBoth(system, 'shop', deployment('web', 'broken'));
  const bad = await system.push('shop: without settings, and broken');
  await rolloutOf(system, { pipeline: 'shop', stage: 'staging', release: bad });
  expect(await objectIn(controlPlane, configPath('shop', 'shop'))).toBeDefined();

  await writeBoth(system, 'shop', deployment('web', '1.0.3'));
  await expectSucceeded(system, 'shop', await system.push('shop: without settings, and healthy'));
  expect(await objectIn(controlPlane, configPath('shop', 'shop'))).toBeUndefined();
  expect(await objectIn(production(), configPath('shop', 'shop'))).toBeUndefined();
});

test('promise 4: an object of another unit is not taken, and the refusal names both', async () => {
  await writeBoth(system, 'other', settings('mine', 'other'));
  await expectSucceeded(system, 'other', await system.push('other: a first object'));

  const stolen = settings('mine', 'shop').replace('{name: mine}', '{name: mine, namespace: other}');
  await writeBoth(system, 'shop', deployment('web', '1.0.3') + stolen);
  const thief = await system.push('shop: wants an object of other');
  const rollout = await rolloutOf(system, { pipeline: 'shop', stage: 'staging', release: thief });
  expect(rollout.state).toBe('failed');
  expect(rollout.message).toMatch(/other\/staging/);
  const { controlPlane } = system.cluster('staging-1');
  expect((await objectIn(controlPlane, configPath('other', 'mine'))).data.value).toBe('other');

  await writeBoth(system, 'shop', deployment('web', '1.0.3'));
  await expectSucceeded(system, 'shop', await system.push('shop: leaves it alone'));
});

test('drift by hand is repaired within a second and reported', async () => {
  await production().kubectl(['delete', 'deployment', 'web', '--namespace=shop']);
  await waitFor(
    'the deleted deployment is back',
    async () => (await objectIn(production(), webPath)) !== undefined,
    { timeoutMs: 1_000, intervalMs: 20 },
  );
  await production().kubectl(['scale', 'deployment', 'web', '--replicas=7', '--namespace=shop']);
  await waitFor(
    'the scaled deployment has its replicas again',
    async () => (await objectIn(production(), webPath)).spec.replicas === 1,
    { timeoutMs: 1_000, intervalMs: 20 },
  );
  await waitFor('both repairs are in the audit', async (see) => {
    const repairs = (await wholeAudit(system)).filter(
      ({ event }) => event.kind === 'DriftRepaired' && event.object?.name === 'web',
    );
    see(repairs);
    return repairs.length >= 2;
  });
});

test('promise 8, FLT-20: drift is repaired while the hub is gone, and its audit arrives when the hub returns', async () => {
  const before = (await wholeAudit(system)).filter((e) => e.event.kind === 'DriftRepaired').length;
  await system.hub.process.stop();
  await production().kubectl(['delete', 'deployment', 'web', '--namespace=shop']);
  await waitFor(
    'the deleted deployment is back',
    async () => (await objectIn(production(), webPath)) !== undefined,
  );
  await system.hub.process.restart();
  await waitFor('the repair is in the audit', async (see) => {
    const after = (await wholeAudit(system)).filter((e) => e.event.kind === 'DriftRepaired').length;
    see({ before, after });
    return after > before;
  });
});

test('promise 9: every agent event is in the audit once, in order, and the chain holds', async () => {
  expect(await auditFaults(system)).toEqual([]);
});

test('the read model is the same after a rebuild', async () => {
  const read = async () => ({
    clusters: (await system.hub.api('GET', '/clusters')).items.map(
      ({ name, status }: { name: string; status: string }) => ({ name, status }),
    ),
    releases: (await system.hub.api('GET', '/pipelines/shop/releases')).items,
    stages: (await system.hub.api('GET', '/pipelines/shop/stages')).items,
  });
  const before = await read();
  await system.hub.process.stop();
  await system.hub.cli(['read-model', 'rebuild', '--data-dir', system.hub.directory]);
  await system.hub.process.restart();
  await waitFor('the clusters are connected again', async (see) => {
    const now = await read();
    see(now);
    return JSON.stringify(now) === JSON.stringify(before);
  });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type System, startSystem, temporaryDirectory, waitFor } from '../stack/index.ts';
import {
  auditFaults,
  deployment,
  expectSucceeded,
  objectIn,
  pipelineOf,
  repositoryResource,
  settings,
  twoClusters,
  wholeAudit,
  writeBoth,
} from './shop.ts';

const stack = new AsyncDisposableStack();
let system: System;
let revision = 0;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  system = stack.use(await startSystem({ directory: path, clusters: twoClusters }));
  await writeBoth(system, 'shop', deployment('web', '1.0.0') + settings('revision', '0'));
  const first = await system.push('shop: first release');
  await system.applyResources(repositoryResource + pipelineOf('shop', { deadline: '60s' }));
  await expectSucceeded(system, 'shop', first);
});
afterAll(() => stack.disposeAsync());

const victims = {
  hub: async () => {
    await system.hub.crash();
    await system.hub.process.restart();
  },
  'agent of staging': () => killAgent('staging-1'),
  'agent of production': () => killAgent('production-1'),
  'nats-server': async () => {
    process.kill(await system.hub.natsPid(), 'SIGKILL');
  },
};

async function killAgent(cluster: string): Promise<void> {
  const { agent } = system.cluster(cluster);
  await agent.process.kill();
  await agent.process.restart();
}

/** The steps of a promotion, as the audit shows them. */
const steps: Record<string, { type: string; stage: string; kind?: string }> = {
  'the release is admitted to staging': { type: 'ReleaseAdmitted', stage: 'staging' },
  'staging accepted its assignment': {
    type: 'AgentAudited',
    stage: 'staging',
    kind: 'AssignmentAccepted',
  },
  'staging applied its objects': { type: 'AgentAudited', stage: 'staging', kind: 'ObjectsApplied' },
  'staging succeeded': { type: 'RolloutSucceeded', stage: 'staging' },
  'production accepted its assignment': {
    type: 'AgentAudited',
    stage: 'production',
    kind: 'AssignmentAccepted',
  },
  'production applied its objects': {
    type: 'AgentAudited',
    stage: 'production',
    kind: 'ObjectsApplied',
  },
  'production succeeded': { type: 'RolloutSucceeded', stage: 'production' },
};

const cases = Object.keys(victims).flatMap((victim) =>
  Object.keys(steps).map((step) => ({ victim: victim as keyof typeof victims, step })),
);

test.each(cases)(
  'promise 11: $victim killed when $step, and the promotion ends as if nothing had been',
  async ({ victim, step }) => {
    revision++;
    const value = String(revision);
    await writeBoth(
      system,
      'shop',
      deployment('web', `1.0.${revision}`) + settings('revision', value),
    );
    const from = (await system.hub.api('GET', '/status')).position;
    const commit = await system.push(`shop: revision ${value}`);
    await reached(step, commit, from);
    await victims[victim]();

    await expectSucceeded(system, 'shop', commit, 90_000);
    for (const name of ['staging-1', 'production-1']) {
      const path = '/api/v1/namespaces/shop/configmaps/revision';
      const object = await objectIn(system.cluster(name).controlPlane, path);
      expect(object.data.value, name).toBe(value);
    }
  },
);

async function reached(step: string, commit: string, from: number): Promise<void> {
  const wanted = steps[step];
  await waitFor(
    step,
    async (see) => {
      const { items } = await system.hub.api('GET', `/audit?after=${from}&limit=500`);
      see(items.map(({ type }: { type: string }) => type));
      return items.some(
        // biome-ignore lint/suspicious/noExplicitAny: one entry has one of some thirty shapes.
        ({ type, event }: any) =>
          type === wanted?.type &&
          event.stage === wanted?.stage &&
          (event.release ?? event.commit) === commit &&
          (wanted?.kind === undefined || event.kind === wanted.kind),
      );
    },
    { intervalMs: 10 },
  );
}

test('FLT-20, FLT-21: no audit event was lost or doubled by any of the kills, and each target was assigned once a generation', async () => {
  await waitFor(
    'every outbox is empty',
    async (see) => {
      const faults = await auditFaults(system);
      see(faults);
      return faults.length === 0;
    },
    { timeoutMs: 60_000 },
  );
  const assigned = (await wholeAudit(system))
    .filter(({ type }) => type === 'TargetAssigned')
    .map(({ event }) => `${event.cluster}/${event.stage}/${event.generation}`);
  expect(new Set(assigned).size).toBe(assigned.length);
});

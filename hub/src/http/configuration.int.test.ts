import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { afterEach, expect, test, vi } from 'vitest';
import { newToken, tokenHash } from '../auth/tokens/index.ts';
import { createNativeGit } from '../git/index.ts';
import { createUpstream, type Upstream } from '../git/testing/index.ts';
import { createConfigurationReactor } from '../reactors/index.ts';
import { silent } from '../read-model/testing/index.ts';
import { type HttpFixture, startHttpFixture } from './testing/server.ts';

// The hub's resources in a repository of their own: real Git, a real log, the API on a real port.

const waitMs = 10_000;
let stack: AsyncDisposableStack | undefined;
afterEach(async () => {
  await stack?.disposeAsync();
  stack = undefined;
});

type Configured = HttpFixture & {
  readonly upstream: Upstream;
  /** Commits files and waits until the hub has an answer to this commit. */
  readonly push: (files: Record<string, string | undefined>) => Promise<string>;
  readonly look: () => void;
};

const repositoryText = (url = 'https://git.example.com/shop/environments.git') => `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec: {url: "${url}"}
`;
const pipelineText = (name: string, more = 'gates: {soak: 30m}', metadata = '') => `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: ${name}${metadata}}
spec:
  repository: environments
  stages:
  - {name: staging, path: ${name}/staging, clusters: {matchLabels: {environment: staging}}}
  - {name: production, after: [staging], path: ${name}/production, clusters: {matchLabels: {environment: production}}, ${more}}
`;
const files = {
  'hub/repositories.yaml': repositoryText(),
  'hub/shop/checkout.yml': pipelineText('checkout'),
  'hub/README.md': 'not read',
  'other/broken.yaml': 'kind: [',
};

async function configured(path = 'hub'): Promise<Configured> {
  const root = mkdtempSync(join(tmpdir(), 'fairlead-configuration-'));
  const upstream = createUpstream(join(root, 'upstream'), process.env);
  const parts = new AsyncDisposableStack();
  stack = parts;
  parts.defer(() => rmSync(root, { recursive: true, force: true }));
  const git = createNativeGit({ environment: process.env, allowFile: true });
  parts.defer(git.close);
  const hub = parts.use(await startHttpFixture({ configurationUrl: upstream.url }));
  const stopping = new AbortController();
  const reactor = createConfigurationReactor({
    repository: { url: upstream.url, branch: 'main', path, pollIntervalMs: 3_600_000 },
    git,
    directory: join(root, 'mirror.git'),
    credentials: async () => undefined,
    commands: hub.commands,
    definitions: hub.definitions,
    clock: systemClock,
    random: systemRandom,
    signal: stopping.signal,
    logger: silent,
  });
  parts.defer(async () => {
    stopping.abort();
    await reactor.ended();
  });
  const push: Configured['push'] = async (changed) => {
    const commit = upstream.commit({ files: changed });
    reactor.hint();
    await vi.waitFor(
      async () => {
        const state = await hub.commands.configurationState();
        expect([state.refused?.commit, state.applied?.commit]).toContain(commit);
        if (state.refused === undefined) expect(state.applied?.commit).toBe(commit);
      },
      { timeout: waitMs },
    );
    await hub.readModel.catchUp();
    return commit;
  };
  return Object.assign(Object.create(hub) as HttpFixture, { upstream, push, look: reactor.hint });
}

const get = async (hub: Configured, path: string) => (await hub.call('GET', `/api/v1${path}`)).body;

test('a commit of the configuration repository defines everything below its path', async () => {
  const hub = await configured();
  const commit = await hub.push(files);
  expect(await get(hub, '/pipelines/checkout')).toMatchObject({
    managedBy: 'configuration-repository',
    revision: 1,
    definition: { stages: [{ name: 'staging' }, { gates: { soakMs: 1_800_000 } }] },
  });
  expect(await get(hub, '/repositories')).toMatchObject({
    items: [{ name: 'environments', managedBy: 'configuration-repository' }],
  });
  expect((await get(hub, '/status')).configuration).toEqual({
    applied: { commit, resources: 2 },
    absent: [],
    overridden: [],
  });
  const audit = await get(hub, '/audit?type=PipelineDefined');
  expect(audit.items).toMatchObject([
    { actor: { kind: 'hub', name: 'configuration-repository' }, pipeline: 'checkout' },
  ]);
  expect((await get(hub, `/audit?commit=${commit}`)).items).toMatchObject([
    { type: 'ConfigurationApplied' },
  ]);
});

test('CFG-02: a changed definition is one append with a new revision, and an unchanged one is none', async () => {
  const hub = await configured();
  await hub.push(files);
  const before = await hub.log.headPosition();
  await hub.push({ 'hub/shop/checkout.yml': pipelineText('checkout', 'gates: {soak: 1h}') });
  const entries = await hub.log.readAfter(before, 10);
  expect(entries.map(({ event }) => event)).toMatchObject([
    { type: 'PipelineDefined', revision: 2 },
    { type: 'ConfigurationApplied' },
  ]);
  hub.look();
  hub.look();
  await hub.push({ 'hub/README.md': 'only a comment' });
  expect(await hub.log.headPosition()).toBe(before + 3);
});

test('a fault anywhere refuses the whole commit, keeps what was, and tells every place', async () => {
  const hub = await configured();
  const first = await hub.push(files);
  const second = await hub.push({
    'hub/shop/checkout.yml': pipelineText('checkout', 'gates: {soak: soon}'),
    'hub/shop/search.yaml': pipelineText('search').replace('environments', 'nowhere'),
    'hub/shop/cart.yaml': pipelineText('cart'),
  });
  expect(await get(hub, '/pipelines/checkout')).toMatchObject({ revision: 1 });
  expect((await hub.call('GET', '/api/v1/pipelines/cart')).status).toBe(404);
  const { configuration } = await get(hub, '/status');
  expect(configuration).toMatchObject({
    applied: { commit: first },
    refused: {
      commit: second,
      faults: [
        {
          path: 'hub/shop/checkout.yml: Pipeline checkout: spec.stages[1].gates.soak',
          message: 'must be a duration such as 90s, 30m, 1h30m or 7d',
        },
      ],
    },
  });
  const explained = await get(hub, '/pipelines/checkout/stages/production/explain');
  expect(explained.configuration).toContain(`Nothing of commit ${second.slice(0, 8)} is applied`);
  expect(explained.configuration).toContain('hub/shop/checkout.yml: Pipeline checkout');
  expect((await get(hub, '/audit?type=ConfigurationRefused')).items).toHaveLength(1);

  // What can be read is then checked together, and with its file.
  await hub.push({ 'hub/shop/checkout.yml': pipelineText('checkout') });
  expect((await get(hub, '/status')).configuration.refused.faults).toEqual([
    {
      path: 'hub/shop/search.yaml: Pipeline search: spec.repository',
      message: 'there is no repository nowhere',
    },
  ]);
  await hub.push({ 'hub/shop/search.yaml': undefined });
  const after = await get(hub, '/status');
  expect(after.configuration.refused).toBeUndefined();
  expect((await hub.call('GET', '/api/v1/pipelines/cart')).status).toBe(200);
});

test('absence is never deletion: what no file names stays, and is said to', async () => {
  const hub = await configured();
  await hub.push({ ...files, 'hub/search.yaml': pipelineText('search') });
  await hub.push({ 'hub/search.yaml': undefined });
  expect((await get(hub, '/status')).configuration.absent).toEqual([
    { kind: 'Pipeline', name: 'search' },
  ]);
  expect((await get(hub, '/pipelines/search')).managedBy).toBeUndefined();
  const explained = await get(hub, '/pipelines/search/stages/staging/explain');
  expect(explained.configuration).toMatch(/stays as it is until somebody removes it/);
  // A person may remove it, for no file would bring it back.
  expect((await hub.call('DELETE', '/api/v1/pipelines/search')).status).toBe(200);

  // A folder without any resource is a mistake rather than an order.
  await hub.push({ 'hub/repositories.yaml': undefined, 'hub/shop/checkout.yml': '# nothing\n' });
  expect((await get(hub, '/status')).configuration.refused.faults).toEqual([
    { path: 'files', message: 'hold no resource' },
  ]);
  expect((await hub.call('GET', '/api/v1/pipelines/checkout')).status).toBe(200);
});

test('a document that asks for its removal removes, and may stay', async () => {
  const hub = await configured();
  await hub.push({ ...files, 'hub/search.yaml': pipelineText('search') });
  const annotations = ', annotations: {fairlead.dev/remove: "true"}';
  const removed = pipelineText('search', 'gates: {}', annotations);
  await hub.push({ 'hub/search.yaml': removed });
  expect((await hub.call('GET', '/api/v1/pipelines/search')).status).toBe(404);
  expect((await get(hub, '/status')).configuration).toMatchObject({
    applied: { resources: 2 },
    absent: [],
  });
  await hub.push({ 'hub/README.md': 'again' });
  expect((await get(hub, '/audit?type=PipelineRemoved')).items).toHaveLength(1);

  // A repository that is in use stays, with the pipelines that use it told.
  const remove = repositoryText().replace('environments}', `environments${annotations}}`);
  await hub.push({ 'hub/repositories.yaml': remove });
  expect((await get(hub, '/status')).configuration.refused.faults).toContainEqual({
    path: 'hub/repositories.yaml: Repository environments: metadata.annotations',
    message: 'is used by checkout',
  });
  const byHand = await hub.call('POST', '/api/v1/apply', removed);
  expect(byHand).toMatchObject({ status: 422 });
  expect(JSON.stringify(byHand.body.faults)).toContain('use `fairlead delete` here');
});

test('what the configuration repository defines is changed there, or with a reason that is recorded', async () => {
  const hub = await configured();
  const commit = await hub.push(files);
  const changed = pipelineText('checkout', 'gates: {soak: 0s}');
  const refused = await hub.call('POST', '/api/v1/apply', changed);
  expect(refused).toMatchObject({
    status: 409,
    body: { code: 'command_refused', rule: 'managed_by_configuration' },
  });
  expect(refused.body.detail).toContain(commit.slice(0, 8));
  for (const path of ['/pipelines/checkout', '/repositories/environments']) {
    const { status } = await hub.call('DELETE', `/api/v1${path}`);
    expect([path, status]).toEqual([path, 409]);
  }
  // The same definition changes nothing, and others are free.
  expect(
    (await hub.call('PUT', '/api/v1/pipelines/checkout', files['hub/shop/checkout.yml'])).status,
  ).toBe(200);
  expect((await hub.call('POST', '/api/v1/apply', pipelineText('cart'))).status).toBe(200);

  // A reason alone is not enough: the caller needs the permission.
  const token = newToken();
  const engineer = {
    tokenId: 'engineer',
    name: 'engineer',
    hash: tokenHash(token),
    role: 'viewer',
  } as const;
  await hub.commands.hub(
    { type: 'issue-token', ...engineer, permissions: ['define', 'allow-automatic-promotion'] },
    { kind: 'person', name: 'ada' },
  );
  await hub.readModel.catchUp();
  const asEngineer = { authorization: `Bearer ${token}` };
  const reason = '/api/v1/apply?overrideReason=an%20incident';
  expect(await hub.call('POST', reason, changed, asEngineer)).toMatchObject({
    status: 403,
    body: { rule: 'permission_missing' },
  });

  const forced = await hub.call('POST', reason, changed);
  expect(forced.status).toBe(200);
  await hub.readModel.catchUp();
  expect((await get(hub, '/audit?type=ConfigurationOverridden')).items).toMatchObject([
    {
      actor: { kind: 'person', name: 'release-engineer' },
      pipeline: 'checkout',
      event: { reason: 'an incident' },
    },
  ]);
  expect((await get(hub, '/audit?type=CommandRefused')).items.length).toBeGreaterThan(0);
  expect((await get(hub, '/status')).configuration.overridden).toEqual([
    { kind: 'Pipeline', name: 'checkout', reason: 'an incident' },
  ]);
  // The same commit does not take it back; the next one does.
  hub.look();
  expect(await get(hub, '/pipelines/checkout')).toMatchObject({ revision: 2 });
  await hub.push({ 'hub/README.md': 'next' });
  expect(await get(hub, '/pipelines/checkout')).toMatchObject({
    revision: 3,
    definition: { stages: [{}, { gates: { soakMs: 1_800_000 } }] },
  });
  expect((await get(hub, '/status')).configuration.overridden).toEqual([]);
});

test('CFG-03: nothing is promoted from the configuration repository, whoever asks for it', async () => {
  const hub = await configured();
  const own = repositoryText(`${hub.upstream.url}/.git/`.replace('/.git/', '/'));
  const message = expect.stringContaining('is the configuration repository of this hub');
  const path = 'Pipeline checkout: spec.repository';

  // A person: together, or the repository first and then the pipeline, or the other way round.
  const together = await hub.call('POST', '/api/v1/apply', `${own}---${pipelineText('checkout')}`);
  expect(together.body.faults).toEqual([{ path, message }]);
  expect((await hub.call('POST', '/api/v1/apply', own)).status).toBe(200);
  const after = await hub.call('POST', '/api/v1/apply', pipelineText('checkout'));
  expect(after.body.faults).toEqual([{ path, message }]);
  const elsewhere = `${repositoryText()}---${pipelineText('checkout')}`;
  expect((await hub.call('POST', '/api/v1/apply', elsewhere)).status).toBe(200);
  const moved = await hub.call('POST', '/api/v1/apply', own);
  expect(moved.body.faults).toEqual([{ path, message }]);

  // The repository itself.
  await hub.push({ ...files, 'hub/repositories.yaml': own });
  expect((await get(hub, '/status')).configuration.refused.faults).toEqual([
    { path: `hub/shop/checkout.yml: ${path}`, message },
  ]);
});

test('CFG-03: a hub that is told later where its configuration is refuses it while it is promoted from', async () => {
  const hub = await configured();
  const actor = { kind: 'person', name: 'ada' } as const;
  // As it was defined before the hub had a configuration repository.
  const { commands } = hub;
  await using before = await startHttpFixture();
  const text = `${repositoryText(hub.upstream.url)}---${pipelineText('legacy')}`;
  expect((await before.call('POST', '/api/v1/apply', text)).status).toBe(200);
  const repository = await before.commands.repositoryState('environments');
  const pipeline = await before.commands.pipelineState('legacy');
  if (repository.status !== 'defined' || pipeline.status !== 'active') throw new Error('undefined');
  await commands.repository(
    'environments',
    { type: 'define-repository', definition: repository.definition },
    actor,
  );
  const { definition } = pipeline;
  await commands.pipeline('legacy', { type: 'define-pipeline', definition }, actor);
  await hub.push({
    'hub/another.yaml': repositoryText('https://git.example.com/another').replace(
      'environments}',
      'another}',
    ),
  });
  expect((await get(hub, '/status')).configuration.refused.faults).toMatchObject([
    { path: 'Pipeline legacy: spec.repository' },
  ]);
});

test('a repository that cannot be read is told, and what was applied stays', async () => {
  const hub = await configured();
  await hub.push(files);
  hub.upstream.git('branch', '-m', 'main', 'elsewhere');
  hub.look();
  await vi.waitFor(
    async () => expect((await get(hub, '/status')).configuration.failure).toMatch(/main/),
    { timeout: waitMs },
  );
  expect(await get(hub, '/pipelines/checkout')).toMatchObject({ revision: 1 });
  hub.upstream.git('branch', '-m', 'elsewhere', 'main');
  hub.look();
  await vi.waitFor(
    async () => expect((await get(hub, '/status')).configuration.failure).toBeUndefined(),
    { timeout: waitMs },
  );
});

test('a link is not followed: it refuses the commit', async () => {
  const hub = await configured();
  await hub.push(files);
  hub.upstream.commit({ symlinks: { 'hub/link.yaml': '../other/broken.yaml' } });
  await hub.push({});
  expect((await get(hub, '/status')).configuration.refused.faults).toEqual([
    { path: 'hub', message: '"hub/link.yaml" is a symlink, which is not followed.' },
  ]);
});

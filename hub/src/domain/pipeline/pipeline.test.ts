import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import {
  checkDefinition,
  type PipelineDefinition,
  parseResources,
  resourceDocument,
} from './index.ts';
import { repositoryIdentity } from './repository-identity.ts';

const minimal = `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: checkout}
spec:
  repository: environments
  stages:
  - name: staging
    path: apps/checkout/overlays/staging
    clusters: {matchLabels: {environment: staging}}
`;

const stageLine = (text: string) =>
  minimal.replace('  - name: staging\n', `  - name: staging\n    ${text}\n`);

function faultsOf(text: string): string[] {
  const parsed = parseResources(text);
  return parsed.ok ? [] : parsed.error.map(({ path, message }) => `${path}: ${message}`);
}

function pipelineOf(text: string): PipelineDefinition {
  const parsed = parseResources(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  const found = parsed.value.find((resource) => resource.kind === 'Pipeline');
  return found?.definition as PipelineDefinition;
}

test('a minimal pipeline has every default filled in', () => {
  expect(pipelineOf(minimal)).toMatchObject({
    name: 'checkout',
    project: 'default',
    include: ['**'],
    exclude: [],
    stages: [
      {
        after: [],
        promote: 'automatic',
        gates: { soakMs: 0 },
        rollout: { progressDeadlineMs: 600_000 },
        apply: {
          namespace: 'default',
          createNamespace: false,
          prune: true,
          drift: 'repair',
          adopt: 'if-unowned',
          deletionBudget: { objectsMax: 10, percentMax: 30 },
        },
      },
    ],
  });
});

test('every fault is told at once, each with its place', () => {
  const faults = faultsOf(`
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: Checkout}
spec:
  repositry: environments
  include: ["/absolute/**"]
  stages:
  - name: staging
    path: ../outside
    clusters: {matchLabels: {}}
    gates: {soak: soon}
  - name: production
    after: [stagin]
    path: apps
    promote: manul
    clusters: {matchLabels: {environment: production}}
---
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec: {url: "https://me:secret@git.example.com/x.git", pollInterval: 1s}
`);
  expect(faults).toEqual([
    'Pipeline Checkout: metadata.name: must consist of a-z, 0-9 and "-", with a letter or digit at both ends',
    'Pipeline Checkout: spec.repositry: is not a known key; did you mean repository?',
    'Pipeline Checkout: spec.include[0]: must not start with "/": it counts from the repository’s top',
    'Pipeline Checkout: spec.stages[0].path: must not leave the repository with ".."',
    'Pipeline Checkout: spec.stages[0].clusters.matchLabels: must name at least one label',
    'Pipeline Checkout: spec.stages[0].gates.soak: must be a duration such as 90s, 30m, 1h30m or 7d',
    'Pipeline Checkout: spec.stages[1].promote: must be one of automatic, manual; did you mean manual?',
    'Pipeline Checkout: spec.stages[1].after[0]: there is no stage stagin',
    'Pipeline Checkout: spec.repository: is missing',
    'Repository environments: spec.url: must be https://…, http://…, ssh://…, file:///… or user@host:path, without a password',
    'Repository environments: spec.pollInterval: must be at least 5s',
  ]);
});

test('a repository asks for signatures, and is written as it can be read again', () => {
  const repository = (verify: string) => `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec: {url: "https://git.example.com/x.git", verify: ${verify}}
`;
  const read = (text: string) => {
    const parsed = parseResources(text);
    const [resource] = parsed.ok ? parsed.value : [];
    if (resource?.kind !== 'Repository') throw new Error(JSON.stringify(parsed));
    expect(parseResources(stringify(resourceDocument(resource)))).toEqual(parsed);
    return resource.definition.verification;
  };
  expect(read(repository('{mode: required, keysRef: shop-maintainers}'))).toEqual({
    mode: 'required',
    keysName: 'shop-maintainers',
  });
  expect(read(repository('{mode: warn}'))).toEqual({ mode: 'warn' });
  // Whoever writes the block wants signatures.
  expect(read(repository('{keysRef: shop}'))).toEqual({ mode: 'required', keysName: 'shop' });
  expect(read(repository('{mode: none}'))).toBeUndefined();
  expect(faultsOf(repository('{mode: requird, keysRef: "A b", keys: x}'))).toEqual([
    'Repository environments: spec.verify.keys: is not a known key',
    'Repository environments: spec.verify.mode: must be one of none, warn, required; did you mean required?',
    'Repository environments: spec.verify.keysRef: is no name of a ConfigMap or Secret',
  ]);
});

test('CFG-01: a cycle is refused with its path, and a repeated stage with its place', () => {
  const stage = (name: string, after: string) => `
  - {name: ${name}, after: [${after}], path: x, clusters: {matchLabels: {a: b}}}`;
  const head = `${minimal.slice(0, minimal.indexOf('  stages:'))}  stages:`;
  expect(faultsOf(head + stage('a', 'c') + stage('b', 'a') + stage('c', 'b'))).toEqual([
    'Pipeline checkout: spec.stages[0].after: is a cycle: a → after c → after b → after a',
  ]);
  expect(faultsOf(head + stage('a', 'a'))).toEqual([
    'Pipeline checkout: spec.stages[0].after[0]: names the stage itself',
  ]);
  expect(faultsOf(head + stage('a', '') + stage('a', ''))).toEqual([
    'Pipeline checkout: spec.stages[1].name: repeats the stage a',
  ]);
});

test('what this version cannot do is refused by name, never ignored', () => {
  expect(faultsOf(stageLine('source: direct'))).toEqual([
    'Pipeline checkout: spec.stages[0].source: is not supported yet by this version',
  ]);
});

test('a path may name the cluster and its labels, and nothing else', () => {
  const path = (value: string) => minimal.replace('apps/checkout/overlays/staging', `"${value}"`);
  expect(faultsOf(path('clusters/${cluster.name}/${cluster.labels.region}'))).toEqual([]);
  expect(faultsOf(path('clusters/${environment}'))).toEqual([
    'Pipeline checkout: spec.stages[0].path: may use ${cluster.name} and ${cluster.labels.<key>} only',
  ]);
});

test('a health check that is no CEL, or stands twice, is refused with its place', () => {
  const checks = (...entries: string[]) =>
    faultsOf(
      stageLine(
        `apply: {healthChecks: [${entries.map((entry) => `{apiVersion: example.com/v1, kind: Widget, ${entry}}`).join(', ')}]}`,
      ),
    );
  expect(checks(`current: "status.?conditions.orValue([]).exists(c, c.type == 'Ready')"`)).toEqual(
    [],
  );
  expect(checks('current: "status.phase = 1", failed: ")"')).toEqual([
    expect.stringMatching(
      /stages\[0\]\.apply\.healthChecks\[0\]\.current: is not a valid CEL expression: <input>:1:14/,
    ),
    expect.stringMatching(
      /stages\[0\]\.apply\.healthChecks\[0\]\.failed: is not a valid CEL expression: <input>:1:1/,
    ),
  ]);
  expect(checks('current: "true"', 'current: "false"')).toEqual([
    'Pipeline checkout: spec.stages[0].apply.healthChecks[1]: repeats example.com/v1 Widget: one entry judges a kind',
  ]);
});

test('how a unit is applied is read with every place checked', () => {
  const { stages } = pipelineOf(
    stageLine(
      'apply: {serviceAccount: deployer, conflicts: leave, dependsOn: [database], ' +
        'ignoreDifferences: [{kind: Deployment, jsonPointers: [/spec/replicas]}], ' +
        'healthChecks: [{apiVersion: example.com, kind: Widget, current: "true"}]}',
    ),
  );
  expect(stages[0]?.apply).toMatchObject({
    serviceAccountName: 'deployer',
    conflicts: 'leave',
    dependsOn: ['database'],
    ignoreDifferences: [{ group: '', kind: 'Deployment', jsonPointers: ['/spec/replicas'] }],
    healthChecks: [{ apiVersion: 'example.com', kind: 'Widget', current: 'true', failed: '' }],
  });
  expect(
    faultsOf(
      stageLine(
        'apply: {conflicts: fight, ignoreDifferences: [{jsonPointers: [spec]}, {kind: Secret}], ' +
          'healthChecks: [{kind: Widget}]}',
      ),
    ),
  ).toEqual([
    'Pipeline checkout: spec.stages[0].apply.conflicts: must be one of fail, take, leave',
    'Pipeline checkout: spec.stages[0].apply.ignoreDifferences[0].jsonPointers[0]: must be a JSON pointer such as /spec/replicas ("~1" stands for "/")',
    'Pipeline checkout: spec.stages[0].apply.ignoreDifferences[1]: must name jsonPointers or managers: what to ignore',
    'Pipeline checkout: spec.stages[0].apply.healthChecks[0].current: is missing: without it the kind would never be healthy',
    'Pipeline checkout: spec.stages[0].apply.healthChecks[0].apiVersion: is missing',
  ]);
});

test('substitution and decryption are asked for by the stage', () => {
  const render = (text: string) => pipelineOf(stageLine(`render: {${text}}`)).stages[0]?.render;
  expect(render('substitute: true')?.substitution).toEqual({});
  expect(render('substitute: false')?.substitution).toBeUndefined();
  expect(render('substitute: {values: {region: eu}}')?.substitution).toEqual({ region: 'eu' });
  expect(render('decrypt: {sops: {secretRef: sops-age}}')?.sopsSecretName).toBe('sops-age');
  expect(faultsOf(stageLine('render: {substitute: {values: {1st: 2}}, decrypt: {}}'))).toEqual([
    'Pipeline checkout: spec.stages[0].render.substitute.values.1st: must be named by letters, digits and "_", and not begin with a digit',
    'Pipeline checkout: spec.stages[0].render.substitute.values.1st: must be text; quote it',
    'Pipeline checkout: spec.stages[0].render.decrypt.sops.secretRef: is missing',
  ]);
});

test('a text that is no YAML names the line', () => {
  expect(faultsOf('kind: [broken\nspec: {}\n')[0]).toMatch(/^document 1, line \d: /);
});

test('FLT-11: a path that another pipeline claims on the same clusters is refused', () => {
  const checkout = pipelineOf(minimal);
  const rival = pipelineOf(minimal.replace('checkout}', 'rival}'));
  const elsewhere = pipelineOf(
    minimal.replace('checkout}', 'elsewhere}').replace('environment: staging', 'environment: test'),
  );
  const repositories = [
    {
      name: checkout.repository,
      project: checkout.project,
      url: '',
      branch: 'main',
      pollIntervalMs: 1,
    },
  ];
  expect(checkDefinition(checkout, { repositories, pipelines: [checkout, rival] })).toMatchObject([
    { path: 'Pipeline checkout: spec.stages[0].path', message: expect.stringMatching(/rival/) },
  ]);
  expect(checkDefinition(checkout, { repositories, pipelines: [checkout, elsewhere] })).toEqual([]);
  expect(checkDefinition(checkout, { repositories: [], pipelines: [] })).toMatchObject([
    { path: 'Pipeline checkout: spec.repository' },
  ]);
});

test('FLT-11: two stages of one pipeline claim no path on the same clusters', () => {
  const checkout = pipelineOf(minimal);
  const [stage] = checkout.stages;
  if (stage === undefined) throw new Error('the pipeline has no stage');
  const twin = (matchLabels: Record<string, string>): PipelineDefinition => ({
    ...checkout,
    stages: [stage, { ...stage, name: 'twin' as typeof stage.name, clusters: { matchLabels } }],
  });
  const faultsWith = (matchLabels: Record<string, string>) =>
    checkDefinition(twin(matchLabels), { repositories: [], pipelines: [] }).map(({ path }) => path);
  expect(faultsWith({ canary: 'true' })).toContain('Pipeline checkout: spec.stages[1].path');
  expect(faultsWith({ environment: 'other' })).toEqual(['Pipeline checkout: spec.repository']);
});

test('FLT-11: a path that is the same on the clusters that both match is claimed twice', () => {
  const at = (name: string, path: string, labels: string) =>
    pipelineOf(
      minimal
        .replace('checkout}', `${name}}`)
        .replace('apps/checkout/overlays/staging', `"${path}"`)
        .replace('environment: staging', labels),
    );
  const byRegion = at('by-region', 'apps/${cluster.labels.region}', 'environment: production');
  const repository = (name: string, url: string) => ({ ...environments, name: name as never, url });
  const environments = {
    name: byRegion.repository,
    project: byRegion.project,
    url: 'https://git.example.com/shop/environments.git',
    branch: 'main',
    pollIntervalMs: 60_000,
  };
  const places = (other: PipelineDefinition, ...more: (typeof environments)[]) =>
    checkDefinition(byRegion, { repositories: [environments, ...more], pipelines: [other] }).map(
      ({ path }) => path,
    );
  const claimed = ['Pipeline by-region: spec.stages[0].path'];
  expect(places(at('eu', 'apps/eu', 'region: eu'))).toEqual(claimed);
  expect(places(at('us', 'apps/eu', 'region: us'))).toEqual([]);
  // Two entries of one repository are one repository.
  const eu = at('eu', 'apps/eu', 'region: eu');
  const twin = { ...eu, repository: 'twin' as typeof eu.repository };
  expect(places(twin, repository('twin', 'git@git.example.com:shop/environments'))).toEqual(
    claimed,
  );
  expect(places(twin, repository('twin', 'https://git.example.com/shop/other'))).toEqual([]);
});

test.each([
  'https://git.example.com/shop/environments.git',
  'https://Git.example.com:443/shop/environments/',
  'ssh://git@git.example.com:2222/shop//environments.git',
  'git@git.example.com:shop/environments.git',
  'git@git.example.com:/Shop/environments',
  'https://git.example.com/shop/environment%73',
])('%s is one and the same repository', (url) => {
  expect(repositoryIdentity(url)).toBe('git.example.com/shop/environments');
});

test('another host or path is another repository', () => {
  expect(repositoryIdentity('https://git.example.org/shop/environments')).toBe(
    'git.example.org/shop/environments',
  );
  expect(repositoryIdentity('file:///srv/git/environments.git')).toBe('/srv/git/environments');
});

test('the document of a definition defines the same again', () => {
  const definition = pipelineOf(stageLine('gates: {soak: 1h30m}'));
  const document = resourceDocument({ kind: 'Pipeline', definition });
  expect(pipelineOf(stringify(document))).toEqual(definition);
});

test('F15: dependencies must exist and may not lead back to their stage on one cluster', () => {
  const shop = (name: string, environment: string, ...dependsOn: string[]) =>
    pipelineOf(
      stageLine(`apply: {dependsOn: [${dependsOn.join(', ')}]}`)
        .replace('name: checkout', `name: ${name}`)
        .replace('environment: staging', environment)
        .replace('overlays/staging', `overlays/${name}`),
    );
  const repositories = [{ name: 'environments', project: 'default' }] as never[];
  const faults = (definition: PipelineDefinition, ...pipelines: PipelineDefinition[]) =>
    checkDefinition(definition, { repositories, pipelines }).map(
      ({ path, message }) => `${path}: ${message}`,
    );
  const place = (name: string, index = 0) =>
    `Pipeline ${name}: spec.stages[0].apply.dependsOn[${index}]`;
  const production = 'environment: production';
  const web = shop('web', production, 'database', 'queue');
  const database = shop('database', production, 'storage');
  const storage = shop('storage', production, 'web');

  expect(faults(web, database, storage)).toEqual([
    `${place('web')}: makes a cycle on one cluster: web/staging → database/staging → storage/staging → web/staging`,
    `${place('web', 1)}: there is no pipeline queue`,
  ]);
  expect(faults(shop('self', production, 'self'))).toEqual([
    `${place('self')}: makes a cycle on one cluster: self/staging → self/staging`,
  ]);
  const elsewhere = shop('storage', 'environment: test', 'web');
  const queue = shop('queue', production);
  expect(faults(web, database, elsewhere, queue)).toEqual([]);
  // Each two of these may share a cluster, but no cluster matches all three.
  const anywhere = shop('database', 'region: eu', 'storage');
  expect(faults(web, anywhere, elsewhere, queue)).toEqual([]);
});

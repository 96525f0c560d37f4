// Promise 10: a hub under somebody else's control, on the real link, against a cluster that requires signatures.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VerificationMode, type Assignment as WireAssignment } from '@fairlead/proto';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryCluster } from '../cluster/index.ts';
import type { AuditEntry, UnitReport } from '../domain/link/index.ts';
import { hashGitObject } from '../journal/index.ts';
import { type BuiltCommit, buildCommit, type Folder } from '../journal/testing/index.ts';
import { createReconciler, type Reconciler } from '../reconcile/index.ts';
import { createRenderer } from '../render/index.ts';
import { sshSigningKey, withSignature } from '../signature/testing/index.ts';
import { createTrust } from '../trust/index.ts';
import { eventually, silent, startTestAgent, type TestAgent } from './testing-agent.ts';
import { createTestAuthority, type TestAuthority } from './testing-authority.ts';
import { createTestBus, type TestBus } from './testing-bus.ts';
import { sendObjects, startTestHub, type TestHub, wireAssignment } from './testing-hub.ts';

const maintainer = sshSigningKey('ed25519');
const stranger = sshSigningKey('ed25519');

const settings = (value: string): Folder => ({
  app: {
    'settings.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: default}
data: {value: ${value}}
`,
  },
});

/** The commit with another commit object: what it names stays. */
function changed(built: BuiltCommit, change: (commit: Buffer) => Buffer): BuiltCommit {
  const objects = new Map(built.objects);
  const data = change(objects.get(built.commit)?.data ?? Buffer.alloc(0));
  objects.delete(built.commit);
  const commit = hashGitObject({ kind: 'commit', data }, 40);
  objects.set(commit, { kind: 'commit', data });
  return { commit, objects };
}
const signedBy = (key: typeof maintainer, built: BuiltCommit): BuiltCommit =>
  changed(built, (data) => withSignature(data, key.sign(data)));

const good = signedBy(maintainer, buildCommit(settings('good'), 'good'));
const newer = signedBy(maintainer, buildCommit(settings('newer'), 'newer'));
const evil = buildCommit(settings('evil'), 'evil');

let authority: TestAuthority;
let bus: TestBus;
let natsFolder: string;
let hub: TestHub;
let agent: TestAgent;
let life: AbortController;
let cluster: ReturnType<typeof createMemoryCluster>;
let reconciler: Reconciler;
let reports: UnitReport[];
let audits: AuditEntry[];

beforeAll(async () => {
  authority = await createTestAuthority();
  natsFolder = mkdtempSync(join(tmpdir(), 'nats-'));
  bus = await createTestBus(natsFolder, authority);
  await bus.start();
}, 600_000);
afterAll(async () => {
  await bus.kill();
  rmSync(natsFolder, { recursive: true, force: true });
});

const configMap = (name: string, data: Record<string, string>): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'fairlead-system' },
  data,
});

beforeEach(async () => {
  hub = await startTestHub(authority, bus);
  hub.state.tokens.add('token');
  life = new AbortController();
  reports = [];
  audits = [];
  cluster = createMemoryCluster();
  const policy = `
signatures: {mode: required}
units: [{pipelines: [checkout], paths: [app]}]`;
  const trusted = { 'maintainers.pub': `${maintainer.publicLine} maintainers` };
  await cluster.apply(configMap('fairlead-policy', { 'policy.yaml': policy }), { force: true });
  await cluster.apply(configMap('fairlead-trusted-keys', trusted), { force: true });
  // Somebody got a ConfigMap with a key of their own into the agent's namespace.
  const planted = { 'a.pub': `${stranger.publicLine} stranger` };
  await cluster.apply(configMap('planted', planted), { force: true });

  const { enrolAddress } = hub;
  const { caKeyHash } = authority;
  agent = startTestAgent({
    enrolAddress,
    caKeyHash,
    joinToken: 'token',
    onAssignment: (assignment) => reconciler.offer(assignment),
  });
  agent.journal.acceptEpoch(1);
  const { signal } = life;
  reconciler = createReconciler({
    cluster,
    loadTree: agent.loadTree,
    render: createRenderer({
      programs: { renderHost: '/nowhere/render-host', sops: '/nowhere/sops' },
      cacheDirectory: join(agent.folder, 'render'),
      readSecret: async () => undefined,
      agentNamespace: 'fairlead-system',
      capabilities: cluster.capabilities,
    }).render,
    trust: createTrust({
      cluster,
      objects: agent.objects,
      agentNamespace: 'fairlead-system',
      policyRequired: true,
      clock: systemClock,
      signal,
      onChange: () => reconciler.retryRefused(),
    }),
    journal: agent.journal,
    clock: systemClock,
    random: systemRandom,
    onReport: (report) => reports.push(report),
    onAudit: (entry) => audits.push(entry),
    agentNamespace: 'fairlead-system',
    signal,
    logger: silent,
  });
  await reconciler.start();
});
afterEach(async () => {
  life.abort();
  await reconciler.drained();
  await agent.stop();
  agent.remove();
  hub.close();
});

/** The hub sends assignments, and serves whatever objects it likes for them. */
function assign(
  changes: readonly Partial<WireAssignment>[],
  serve: (commit: string) => BuiltCommit['objects'] | undefined,
): void {
  hub.state.onFetch = (call) => sendObjects(call, serve(call.request.commit) ?? new Map());
  const send = (call: (typeof hub.state.watches)[number]) => {
    for (const change of changes) {
      const assignment = wireAssignment({ path: 'app', root: 'app', ...change });
      call.write({ update: { $case: 'assignment', assignment } });
    }
  };
  hub.state.onWatch = send;
  for (const call of hub.state.watches) send(call);
}

const serving =
  (...commits: BuiltCommit[]) =>
  (id: string) =>
    commits.find(({ commit }) => commit === id)?.objects;

const live = () =>
  cluster
    .objects()
    .filter(({ metadata }) => metadata.namespace === 'default')
    .map(({ kind, metadata, data }) => `${kind} ${metadata.name}: ${JSON.stringify(data)}`);
const isGood = 'ConfigMap settings: {"value":"good"}';

const lastReport = (generation: number, phase: UnitReport['phase']) =>
  eventually(
    `a report of generation ${generation} in phase ${phase}`,
    () => reports.at(-1),
    (report) => report?.generation === generation && report.phase === phase,
  );

async function runGood(): Promise<void> {
  assign([{ commit: good.commit, generation: 5 }], serving(good));
  await lastReport(5, 'settled');
  expect(live()).toEqual([isGood]);
}

describe('a hub under an attacker’s control', () => {
  it('gets a commit applied that a trusted key signed, so that the refusals below mean something', async () => {
    await runGood();
    assign([{ commit: newer.commit, generation: 6 }], serving(newer));
    await lastReport(6, 'settled');
    expect(live()).toEqual(['ConfigMap settings: {"value":"newer"}']);
    expect(audits.filter(({ kind }) => kind === 'SignatureVerified')).toHaveLength(2);
  });

  // What is stolen from the good commit is its signature; the tree of the evil one is what it should cover.
  const goodSignature = /gpgsig[\s\S]*?-----END SSH SIGNATURE-----\n/.exec(
    good.objects.get(good.commit)?.data.toString('latin1') ?? '',
  )?.[0];
  const withStolenSignature = changed(evil, (data) => {
    const end = data.indexOf('\n\n') + 1;
    const header = Buffer.from(goodSignature ?? '', 'latin1');
    return Buffer.concat([data.subarray(0, end), header, data.subarray(end)]);
  });
  const withoutVerification = {
    verification: { mode: VerificationMode.VERIFICATION_MODE_NONE, keysName: '' },
  };

  it.each<[string, BuiltCommit, Partial<WireAssignment>, RegExp]>([
    ['an unsigned commit', evil, {}, /the commit is not signed; nothing of it was applied$/],
    ['an unsigned commit, verification off', evil, withoutVerification, /the commit is not signed/],
    ['a commit that a stranger signed', signedBy(stranger, evil), {}, /is not trusted; nothing/],
    [
      'a commit with the signature of another',
      withStolenSignature,
      {},
      /is not one of this commit/,
    ],
    [
      'a commit that planted keys trust',
      signedBy(stranger, evil),
      { verification: { mode: VerificationMode.VERIFICATION_MODE_REQUIRED, keysName: 'planted' } },
      /the repository's keys planted are not among those that its policy trusts/,
    ],
    [
      'a signed commit at another path',
      newer,
      { path: '', root: '' },
      /only the paths app, and not the top/,
    ],
  ])('does not get %s applied', async (_, built, change, reason) => {
    await runGood();
    assign([{ commit: built.commit, generation: 6, ...change }], serving(built));
    const report = await lastReport(6, 'failed');
    expect(report?.message).toMatch(reason);
    expect(report?.terminal).toBe(true);
    expect(live()).toEqual([isGood]);
  });

  const swapped = (from: BuiltCommit, to: BuiltCommit, kind: 'blob' | 'tree' | 'commit') => {
    // The bytes of what is wanted under the ids of what was signed.
    const of = ({ objects }: BuiltCommit) =>
      [...objects].filter(([, object]) => object.kind === kind);
    const bytes = of(to).map(([, object]) => object);
    return new Map([
      ...from.objects,
      ...of(from).map(([id], index) => [id, bytes[index] ?? bytes[0]] as const),
    ]) as BuiltCommit['objects'];
  };
  it.each<[string, () => BuiltCommit['objects'], RegExp]>([
    ['a changed file', () => swapped(newer, evil, 'blob'), /an object with another digest/],
    ['a changed folder', () => swapped(newer, evil, 'tree'), /an object with another digest/],
    [
      'a changed commit object',
      () => swapped(newer, evil, 'commit'),
      /an object with another digest/,
    ],
    ['a part of the tree', () => new Map([...newer.objects].slice(-1)), /a part of the tree only/],
    [
      'a foreign tree beside it',
      () => new Map([...newer.objects, ...evil.objects]),
      /does not name/,
    ],
    ['nothing', () => new Map(), /a part of the tree only/],
  ])('does not get %s applied under the id of a signed commit', async (_, objects, reason) => {
    await runGood();
    assign([{ commit: newer.commit, generation: 6 }], objects);
    expect((await lastReport(6, 'failed'))?.message).toMatch(reason);
    expect(live()).toEqual([isGood]);
  });

  it.each<[string, Partial<WireAssignment>, RegExp]>([
    ['an older generation', { generation: 4 }, /older than the held generation 5/],
    [
      'the held generation with other content',
      { generation: 5 },
      /came again with different content/,
    ],
    ['an older epoch', { epoch: 0, generation: 99 }, /epoch 0 is older/],
    ['an epoch that nobody accepted', { epoch: 2, generation: 1 }, /an operator must accept it/],
  ])('does not get %s accepted, even of a signed commit', async (_, change, reason) => {
    await runGood();
    assign([{ commit: newer.commit, ...change }], serving(newer));
    await eventually(
      'a refusal',
      () => audits.find(({ kind }) => kind === 'AssignmentRefused')?.message,
      (message) => reason.test(message ?? ''),
    );
    expect(live()).toEqual([isGood]);
    expect(reports.at(-1)).toMatchObject({ generation: 5, phase: 'settled' });
  });

  it('takes nothing away by refused commits, and the agent keeps what was good', async () => {
    await runGood();
    assign([{ commit: evil.commit, generation: 6 }], serving(evil));
    await lastReport(6, 'failed');
    cluster.drop({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'settings' });
    await eventually('the repair', live, (objects) => objects[0] === isGood);
  });
});

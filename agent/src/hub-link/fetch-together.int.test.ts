// Trees of one commit that share calls, on the real link.
import type { FetchTreeRequest } from '@fairlead/proto';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Assignment } from '../domain/link/index.ts';
import { assignmentOf, buildCommit } from '../journal/testing/index.ts';
import { eventually, startTestAgent, type TestAgent } from './testing-agent.ts';
import { createTestAuthority, type TestAuthority } from './testing-authority.ts';
import { refusal, sendObjects, startTestHub, type TestHub } from './testing-hub.ts';

type Call = Parameters<TestHub['state']['onFetch']>[0];

const roots = Array.from({ length: 40 }, (_, index) => `app-${index}`);
const content = Object.fromEntries(roots.map((root) => [root, { 'a.yaml': `of ${root}` }]));
const { commit, objects } = buildCommit(content);
// In the order in which they are built: of each root its file and its folder, then the folder of all, then the commit.
const ids = [...objects.keys()];
const tree = ids.at(-2) ?? '';
const above = new Set([tree, commit]);
const below = new Map(roots.map((root, index) => [root, ids.slice(2 * index, 2 * index + 2)]));
const foreign = buildCommit({ other: { 'x.yaml': 'foreign' } });

let authority: TestAuthority;
let hub: TestHub;
let agent: TestAgent;
let upcoming: (like: Assignment) => Promise<readonly Assignment[]>;

beforeAll(async () => {
  authority = await createTestAuthority();
});
beforeEach(async () => {
  const noBus = { url: 'nats://127.0.0.1:9', userJwt: async () => 'none' };
  hub = await startTestHub(authority, noBus);
  hub.state.tokens.add('token');
  const { enrolAddress } = hub;
  upcoming = async () => [];
  agent = startTestAgent({
    enrolAddress,
    caKeyHash: authority.caKeyHash,
    joinToken: 'token',
    upcoming: (like) => upcoming(like),
  });
  await agent.identity.first(AbortSignal.timeout(20_000));
});
afterEach(async () => {
  await agent.stop();
  agent.remove();
  hub.close();
});

const rootsOf = ({ root, further }: FetchTreeRequest) => [root, ...further.map((one) => one.root)];

/** As a hub does that sends these roots, without what the agent says it has. */
function sendRoots(call: Call, sent: readonly string[]): void {
  const wanted = new Set([...above, ...sent.flatMap((root) => below.get(root) ?? [])]);
  for (const id of call.request.haveObjects) wanted.delete(id);
  sendObjects(call, new Map([...objects].filter(([id]) => wanted.has(id))));
}
const unitOf = (root: string) =>
  assignmentOf({ pipeline: root as never, commit: commit as never, root, path: root });
const load = (root: string) => agent.loadTree(unitOf(root), AbortSignal.timeout(20_000));
const fetchAll = () => Promise.all(roots.map(load));
const wholeRoots = () =>
  roots.filter((root) => agent.journal.isComplete({ repository: 'shop', commit, root }));

it('those that wait for a place share a call, and nobody waits for company', async () => {
  hub.state.onFetch = (call) => sendRoots(call, rootsOf(call.request));
  const trees = await fetchAll();
  expect(trees.every(({ ok }) => ok)).toBe(true);
  expect(wholeRoots()).toEqual(roots);
  const { fetches } = hub.state;
  expect(fetches.map((request) => rootsOf(request).length)).toEqual([1, 1, 1, 1, 32, 4]);
  expect(fetches.at(-1)?.haveObjects).toEqual([commit, tree]);
});

it('what is wanted soon comes along once, and is there when it is wanted', async () => {
  hub.state.onFetch = (call) => sendRoots(call, rootsOf(call.request));
  upcoming = async (like) => roots.filter((root) => root !== like.root).map(unitOf);
  const [first] = await Promise.all(['app-0', 'app-1', 'app-2'].map(load));
  expect(first).toMatchObject({ ok: true });
  expect(wholeRoots()).toEqual(roots);
  const asked = hub.state.fetches.flatMap(rootsOf);
  expect(asked.toSorted()).toEqual(roots.toSorted());
  expect((await fetchAll()).every(({ ok }) => ok)).toBe(true);
  expect(hub.state.fetches.flatMap(rootsOf)).toEqual(asked);
});

it('what is wanted while it comes along waits for that, and is fetched alone if it did not come', async () => {
  const held: Call[] = [];
  hub.state.onFetch = (call) => void held.push(call);
  upcoming = async () => ['app-1', 'app-2'].map(unitOf);
  const loads = [load('app-0')];
  await eventually(
    'a call',
    () => held.length,
    (length) => length === 1,
  );
  loads.push(load('app-1'), load('app-2'));
  hub.state.onFetch = (call) => sendRoots(call, rootsOf(call.request));
  sendRoots(held[0] as Call, ['app-0', 'app-1']);
  expect((await Promise.all(loads)).every(({ ok }) => ok)).toBe(true);
  expect(hub.state.fetches.map(rootsOf)).toEqual([['app-0', 'app-1', 'app-2'], ['app-2']]);
});

it('a question for what is wanted soon that fails costs nothing', async () => {
  hub.state.onFetch = (call) => sendRoots(call, rootsOf(call.request));
  upcoming = () => Promise.reject(new Error('no policy'));
  expect(await load('app-0')).toMatchObject({ ok: true });
});

it('FLT-23: a hub that does not know of that is asked for each alone', async () => {
  hub.state.onFetch = (call) => sendRoots(call, [call.request.root]);
  expect((await fetchAll()).every(({ ok }) => ok)).toBe(true);
  expect(new Set(hub.state.fetches.map(({ root }) => root))).toEqual(new Set(roots));
});

it('one that the commit lacks costs the others nothing', async () => {
  hub.state.onFetch = (call) => {
    const asked = rootsOf(call.request);
    if (asked[0] === 'app-9') call.emit('error', refusal(status.NOT_FOUND, 'no app-9'));
    else sendRoots(call, asked.includes('app-9') ? asked.slice(0, asked.indexOf('app-9')) : asked);
  };
  const trees = await fetchAll();
  expect(roots.filter((_, index) => !trees[index]?.ok)).toEqual(['app-9']);
  expect(wholeRoots()).toEqual(roots.filter((root) => root !== 'app-9'));
});

it('F05: a call that fails is made again for each alone, and says what failed', async () => {
  hub.state.onFetch = (call) => call.emit('error', refusal(status.UNAVAILABLE, 'going down'));
  for (const result of await fetchAll()) {
    expect(result).toMatchObject({ ok: false, error: { terminal: false } });
  }
  hub.state.onFetch = (call) => sendRoots(call, rootsOf(call.request));
  expect((await fetchAll()).every(({ ok }) => ok)).toBe(true);
});

it('S9: nothing is whole by an answer with objects that the commit does not name', async () => {
  hub.state.onFetch = (call) => sendObjects(call, new Map([...objects, ...foreign.objects]));
  for (const result of await fetchAll()) expect(result).toMatchObject({ ok: false });
  expect(wholeRoots()).toEqual([]);
});

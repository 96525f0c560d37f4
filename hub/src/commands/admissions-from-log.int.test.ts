import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClusterId,
  type ClusterName,
  type CommitId,
  type NewId,
  type ProjectName,
  parseNewId,
  type RepositoryName,
} from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type DecisionLog,
  openSqliteDecisionLog,
  type RecordedEvent,
} from '../decision-log/index.ts';
import type { HubEvent, RepositoryEvent } from '../domain/events.ts';
import {
  evolveHub,
  initialHubState,
  type Person,
  peopleOf,
  personOf,
} from '../domain/hub/index.ts';
import {
  type CommitStatus,
  evaluateGates,
  evolvePipeline,
  fleetView,
  type GateResult,
  initialPipelineState,
  isOpen,
  type PipelineEvent,
  type PipelineState,
  snapshotOf,
  type TargetReport,
} from '../domain/promotion/index.ts';
import { stageState } from '../domain/promotion/state.ts';
import {
  commit,
  definitionOf,
  minuteMs,
  production,
  release,
  stageOf,
  staging,
} from '../domain/promotion/testing-story.ts';
import {
  evolveRepository,
  initialRepositoryState,
  statusesOfCommit,
} from '../domain/repository/index.ts';
import { createCommandHandler } from './index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-admissions-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const hub = { kind: 'hub', name: 'promotion' } as const;
const clusters = [
  { id: 'stg' as ClusterId, name: 'stg' as ClusterName, environment: 'staging' },
  { id: 'prd' as ClusterId, name: 'prd' as ClusterName, environment: 'production' },
].map(({ id, name, environment }) => ({
  id,
  name,
  labels: { environment },
  status: 'connected' as const,
}));

const definition = definitionOf(
  stageOf('staging'),
  stageOf('production', {
    after: [staging],
    soakMs: 30 * minuteMs,
    hotfix: { mayBypass: ['order', 'health', 'soak', 'status'], from: ['group:on-call'] },
    gates: {
      statuses: ['load-test'],
      approvals: {
        required: 2,
        from: ['group:release-managers'],
        including: [],
        excludeAuthor: true,
        excludeRequester: true,
        expiresAfterMs: 0,
        strict: true,
        recheckVoters: true,
      },
    },
  }),
);

const tokens = ['ada', 'grace', 'linus'].map((subject) => ({
  tokenId: `token-${subject}`,
  name: `${subject}-laptop`,
  hash: subject,
  role: 'viewer' as const,
  subject,
  groups: ['release-managers', ...(subject === 'linus' ? ['on-call'] : [])],
  emails: [`${subject}@corp.example`],
  permissions: ['approve', 'promote', 'hotfix'] as const,
}));
const person = (subject: string): Person => {
  const token = tokens.find((one) => one.subject === subject);
  if (token === undefined) throw new Error(`${subject} has no token`);
  return personOf(token);
};

/** A real hub's writers on a real log: two ordinary admissions with votes, a status and a soak, and then a hotfix. */
async function writeHistory(log: DecisionLog): Promise<void> {
  let now = 1_000_000;
  let ids = 0;
  const commands = createCommandHandler({ log, clock: { now: () => now } });
  const newId = (): NewId => expectOk(parseNewId(`id${String(++ids).padStart(8, '0')}`), 'an id');
  for (const token of tokens) await commands.hub({ type: 'issue-token', ...token }, hub);
  const repository = {
    name: 'environments' as RepositoryName,
    project: 'default' as ProjectName,
    url: 'https://git.example.com/environments.git',
    branch: 'main',
    pollIntervalMs: 60_000,
  };
  await commands.repository(
    'environments',
    { type: 'define-repository', definition: repository },
    hub,
  );
  const pipeline = async (command: Parameters<typeof commands.pipeline>[1]) =>
    expectOk(await commands.pipeline('checkout', command, hub), command.type).state;
  const reports: TargetReport[] = [];
  const statusesNow = async (): Promise<CommitStatus[]> => {
    const state = await commands.repositoryState('environments');
    const known = await commands.pipelineState('checkout');
    if (state.status !== 'defined' || known.status !== 'active') return [];
    return known.releases.flatMap(({ commit: of }) =>
      [...statusesOfCommit(state.statuses, of)].map(([name, { at, ...word }]) => ({
        commit: of,
        name,
        ...word,
        receivedAt: at,
      })),
    );
  };
  const advance = async () => {
    const people = peopleOf((await commands.hubState()).tokens.values());
    const statuses = await statusesNow();
    const snapshot = snapshotOf({ at: now, clusters, reports, people, statuses });
    await pipeline({ type: 'advance', snapshot, newIds: [newId(), newId(), newId()] });
  };
  const settle = async () => {
    const state = await commands.pipelineState('checkout');
    if (state.status !== 'active') return;
    for (const [stage, { targets }] of state.stages) {
      for (const bucket of targets.buckets) {
        for (const target of bucket?.values() ?? []) {
          const { cluster, generation, release: assigned } = target;
          reports.push({
            stage,
            cluster,
            generation,
            commit: assigned,
            agentEpoch: 'epoch',
            sequence: reports.length,
            phase: 'settled',
            health: 'healthy',
            message: '',
            terminal: false,
            receivedAt: now,
            objectsTotal: 1,
            pruneHeldObjects: 0,
            pruneHeldDigest: '',
          });
        }
      }
    }
    await advance();
    await advance();
  };
  const push = async (...numbers: number[]) => {
    const releases = numbers.map((number) => release(number));
    const onBranch = Array.from({ length: Math.max(...numbers) }, (_, index) => commit(index + 1));
    const head = onBranch.at(-1) as CommitId;
    await pipeline({ type: 'record-branch', head, releases, onBranch, at: now });
    await advance();
  };
  const status = (of: number, state: 'success' | 'failure') =>
    commands.repository(
      'environments',
      {
        type: 'report-status',
        commit: commit(of),
        name: 'load-test',
        state,
        description: '',
        at: now,
      },
      hub,
    );
  const approve = async (of: number, subject: string) => {
    const vote = { stage: production, release: commit(of), comment: '' };
    await pipeline({ type: 'approve', ...vote, by: person(subject), at: now, newId: newId() });
    await advance();
  };

  await pipeline({ type: 'define-pipeline', definition });
  await status(1, 'failure');
  await push(1);
  await settle();
  await approve(1, 'ada');
  await approve(1, 'grace');
  await status(1, 'success');
  await advance();
  now += 30 * minuteMs;
  await advance();
  await settle();
  await push(2);
  const asks = { type: 'promote', stage: production, release: commit(2), force: false } as const;
  const hotfix = { bypass: ['order', 'health', 'soak', 'status'] as const, reason: 'it is down' };
  await pipeline({ ...asks, at: now, by: person('linus'), hotfix, newId: newId() });
  await approve(2, 'ada');
  await approve(2, 'grace');
}

type Derived = {
  readonly admission: Extract<PipelineEvent, { type: 'ReleaseAdmitted' }>;
  readonly gates: readonly GateResult[];
};

/** Every admission of the log, decided again on nothing but the entries before it. */
function rederived(entries: readonly RecordedEvent[]): Derived[] {
  const derived: Derived[] = [];
  let hubState = initialHubState;
  let repository = initialRepositoryState;
  let pipeline: PipelineState = initialPipelineState;
  for (const [index, { stream, event }] of entries.entries()) {
    if (stream === 'hub') hubState = evolveHub(hubState, event as HubEvent);
    if (stream.startsWith('repository/')) {
      repository = evolveRepository(repository, event as RepositoryEvent);
    }
    if (!stream.startsWith('pipeline/')) continue;
    if (event.type === 'ReleaseAdmitted' && pipeline.status === 'active') {
      const { stage: name, release: of, at = 0 } = event;
      const stage = pipeline.definition.stages.find((one) => one.name === name);
      const known = pipeline.releases.find((one) => one.commit === of);
      const inStage = stageState(pipeline, name);
      const started = entries[index + 1]?.event;
      if (!stage || !known || started?.type !== 'RolloutStarted') {
        throw new Error(`the log does not tell enough of entry ${index}`);
      }
      const said = repository.status === 'defined' ? statusesOfCommit(repository.statuses, of) : [];
      const statuses = [...said].map(([source, { at: receivedAt, ...word }]) => ({
        commit: of,
        name: source,
        ...word,
        receivedAt,
      }));
      const people = peopleOf(hubState.tokens.values());
      const { watchedMs = at } = started;
      const snapshot = snapshotOf({ at, watchedMs, clusters: [], reports: [], people, statuses });
      const fleet = fleetView(snapshot);
      const gates = evaluateGates({ state: pipeline, stage, inStage, release: known, at, fleet });
      derived.push({ admission: event, gates });
    }
    pipeline = evolvePipeline(pipeline, event as PipelineEvent);
  }
  return derived;
}

test('AUD-01, GATE-14, GATE-15: the log alone gives every admission again, and each of its facts is needed', async () => {
  const path = join(folder, 'log.sqlite');
  const writing = await openSqliteDecisionLog({ path });
  await writeHistory(writing);
  await writing.close();

  const log = await openSqliteDecisionLog({ path });
  const entries = await log.readAfter(0, 1_000);
  await log.close();
  const derived = rederived(entries);
  expect(derived.map(({ admission: { stage, release: of } }) => [stage, of])).toEqual([
    [staging, commit(1)],
    [production, commit(1)],
    [staging, commit(2)],
    [production, commit(2)],
  ]);
  for (const { admission, gates } of derived) {
    expect(gates).toEqual(admission.gates);
    expect(gates.every(isOpen)).toBe(true);
  }
  const last = derived.at(-1)?.gates.flatMap(({ gate, bypassed }) => (bypassed ? [gate] : []));
  expect(last).toEqual(['order', 'health', 'soak', 'status']);

  // Without one of the facts that led to the first admission to production, it would not have been given.
  const isOpenFor = (left: readonly RecordedEvent[]) =>
    rederived(left)
      .filter(({ admission }) => admission.stage === production && admission.release === commit(1))
      .every(({ gates }) => gates.every(isOpen));
  const facts = entries.filter(
    ({ event }) =>
      (event.type === 'ApprovalGiven' && event.release === commit(1)) ||
      (event.type === 'StatusReported' && event.state === 'success') ||
      (event.type === 'RolloutSucceeded' &&
        event.stage === staging &&
        event.release === commit(1)) ||
      (event.type === 'StageHealthChanged' &&
        event.stage === staging &&
        event.release === commit(1)) ||
      (event.type === 'TokenIssued' && event.subject === 'grace'),
  );
  expect(facts.map(({ event }) => event.type).sort()).toEqual(
    [
      'ApprovalGiven',
      'ApprovalGiven',
      'RolloutSucceeded',
      'StageHealthChanged',
      'StatusReported',
      'TokenIssued',
    ].sort(),
  );
  expect(isOpenFor(entries)).toBe(true);
  for (const fact of facts) expect(isOpenFor(entries.filter((one) => one !== fact))).toBe(false);
});

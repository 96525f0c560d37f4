import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClusterId,
  type CommitId,
  type NewId,
  type PipelineName,
  parseNewId,
  type StageName,
} from '@fairlead/shared/ids';
import { expectOk } from '@fairlead/shared/result';
import { systemRandom } from '@fairlead/shared/time';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCommandHandler, type MadePipelineCommand } from '../commands/index.ts';
import { openSqliteDecisionLog, type RecordedEvent } from '../decision-log/index.ts';
import {
  covers,
  evolveFreezes,
  type FreezeEvent,
  type FreezeScope,
  type FreezesState,
  inForce,
  initialFreezesState,
} from '../domain/freeze/index.ts';
import type { PipelineCommand } from '../domain/promotion/commands.ts';
import type { ClusterSnapshot, Snapshot, TargetReport } from '../domain/promotion/index.ts';
import { release, twoStages } from '../domain/promotion/testing-story.ts';
import { createSnapshotReader } from './index.ts';

let folder = '';
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-freezes-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const actor = { kind: 'person', name: 'ada' } as const;
const pipeline = 'checkout' as PipelineName;
const production = 'production' as StageName;
const newId = (): NewId => expectOk(parseNewId(systemRandom.nextId()), 'an id');
const person = {
  subject: 'ada',
  groups: [],
  emails: [],
  permissions: ['override-freeze'] as const,
};

/** What other hubs and time do, at any point of a decision. */
type Disturbance =
  | {
      kind: 'declare';
      scope: FreezeScope;
      forMs?: number;
      inMs?: number;
      running: 'drain' | 'stop';
    }
  | { kind: 'lift'; which: number }
  | { kind: 'tick'; byMs: number };
type Action =
  | Disturbance
  | { kind: 'advance'; between: readonly Disturbance[] }
  | { kind: 'rollback'; override: boolean; between: readonly Disturbance[] }
  | { kind: 'promote'; override: boolean }
  | { kind: 'push' }
  | { kind: 'settle' }
  | { kind: 'join' };

const scopes = fc.constantFrom<FreezeScope>(
  { kind: 'hub' },
  { kind: 'project', project: 'default' as never },
  { kind: 'project', project: 'bank' as never },
  { kind: 'pipeline', pipeline },
  { kind: 'stage', pipeline, stage: production },
);
const span = fc.constantFrom(1, 10, 100);
const disturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  fc.record({
    kind: fc.constant('declare' as const),
    scope: scopes,
    forMs: fc.option(span, { nil: undefined }),
    inMs: fc.option(span, { nil: undefined }),
    running: fc.constantFrom('drain' as const, 'stop' as const),
  }) as fc.Arbitrary<Disturbance>,
  fc.record({ kind: fc.constant('lift' as const), which: fc.nat(3) }),
  fc.record({ kind: fc.constant('tick' as const), byMs: span }),
);
const between = fc.array(disturbance, { maxLength: 2 });
const actions: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: disturbance },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('advance' as const), between }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('rollback' as const),
      override: fc.boolean(),
      between,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('promote' as const), override: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'push' as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'settle' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'join' as const }) },
);

/** Two hubs over one log, and a fleet that says what the test lets it say. */
async function openWorld() {
  const path = join(folder, `log-${++count}.sqlite`);
  const time = { now: 1_000_000 };
  const clock = { now: () => time.now };
  const log = await openSqliteDecisionLog({ path });
  const otherLog = await openSqliteDecisionLog({ path });
  const hub = createCommandHandler({ log, clock });
  const other = createCommandHandler({ log: otherLog, clock });
  const reports: TargetReport[] = [];
  const clusters: ClusterSnapshot[] = [];
  const known: CommitId[] = [];
  let retries = 0;
  const snapshotOf = createSnapshotReader({
    clusterSnapshots: () => clusters,
    reportsOf: () => reports,
    watchedMs: clock.now,
    commands: hub,
    statusesOfPipeline: () => [],
    verificationsOf: () => [],
    samplesOf: () => [],
  });
  const join_ = (environment: string) => {
    const id = `cluster-${clusters.length}`;
    const cluster = { id, name: id, labels: { environment }, status: 'connected' };
    clusters.push(cluster as unknown as ClusterSnapshot);
  };

  const disturb = async (what: Disturbance): Promise<void> => {
    if (what.kind === 'tick') {
      time.now += what.byMs;
      return;
    }
    if (what.kind === 'lift') {
      const { state } = await other.freezesState();
      const id = [...state.freezes.keys()][what.which];
      if (id === undefined) return;
      await other.freezes({ type: 'lift-freeze', id, reason: '', by: 'eve', at: time.now }, actor);
      return;
    }
    const { scope, forMs, inMs, running } = what;
    const from = inMs === undefined ? undefined : time.now + inMs;
    const until = forMs === undefined ? undefined : (from ?? time.now) + forMs;
    const declared = { id: newId(), scope, reason: 'why', by: 'eve', at: time.now, running };
    const times = {
      ...(from === undefined ? {} : { from }),
      ...(until === undefined ? {} : { until }),
    };
    await other.freezes({ type: 'declare-freeze', ...declared, ...times }, actor);
  };

  /** Between the look at the world and the append, once, others are quicker. */
  const made = (
    type: PipelineCommand['type'],
    make: (snapshot: Snapshot) => PipelineCommand,
    disturbances: readonly Disturbance[],
  ): MadePipelineCommand => {
    let tries = 0;
    return {
      type,
      make: async () => {
        const snapshot = await snapshotOf(pipeline, clock.now());
        if (tries++ === 0) for (const what of disturbances) await disturb(what);
        else retries++;
        return make(snapshot);
      },
    };
  };

  const act = async (action: Action): Promise<void> => {
    switch (action.kind) {
      case 'advance': {
        const newIds = Array.from({ length: 8 }, newId);
        const advance = (snapshot: Snapshot) => ({ type: 'advance', snapshot, newIds }) as const;
        await hub.pipeline(pipeline, made('advance', advance, action.between), actor);
        return;
      }
      case 'rollback': {
        const command = {
          type: 'rollback',
          stage: production,
          reason: 'errors',
          newId: newId(),
          by: { ...person, permissions: [...person.permissions] },
          ...(action.override ? { overrideReason: 'outage' } : {}),
        } as const;
        const rollback = (snapshot: Snapshot): PipelineCommand => ({ ...command, snapshot });
        await hub.pipeline(pipeline, made('rollback', rollback, action.between), actor);
        return;
      }
      case 'promote': {
        const command = {
          type: 'promote',
          stage: production,
          force: false,
          at: time.now,
          by: { ...person, permissions: [...person.permissions] },
          ...(action.override ? { overrideReason: 'fix' } : {}),
        } as const;
        await hub.pipeline(pipeline, command, actor);
        return;
      }
      case 'push': {
        const next = release(known.length + 1);
        known.push(next.commit);
        const record = { head: next.commit, releases: [next], onBranch: [...known], at: time.now };
        await hub.pipeline(pipeline, { type: 'record-branch', ...record }, actor);
        return;
      }
      case 'settle': {
        const state = await hub.pipelineState(pipeline);
        if (state.status !== 'active') return;
        reports.length = 0;
        for (const [stage, { targets }] of state.stages) {
          for (const target of targets.buckets.flatMap((one) => [...(one?.values() ?? [])])) {
            reports.push(healthy(stage, target, time.now));
          }
        }
        return;
      }
      case 'join':
        return join_(clusters.length % 2 === 0 ? 'staging' : 'production');
      default:
        return disturb(action);
    }
  };
  join_('staging');
  join_('production');
  expectOk(
    await hub.pipeline(pipeline, { type: 'define-pipeline', definition: twoStages() }, actor),
    'the pipeline',
  );
  return {
    act,
    retries: () => retries,
    entries: () => log.readAfter(0, 1_000),
    [Symbol.asyncDispose]: async () => {
      await log.close();
      await otherLog.close();
    },
  };
}

const healthy = (
  stage: StageName,
  target: { cluster: ClusterId; generation: number; release: CommitId },
  receivedAt: number,
) =>
  ({
    stage,
    cluster: target.cluster,
    agentEpoch: 'epoch',
    sequence: target.generation,
    generation: target.generation,
    commit: target.release,
    phase: 'settled',
    health: 'healthy',
    message: '',
    terminal: false,
    receivedAt,
    objectsTotal: 1,
    pruneHeldObjects: 0,
    pruneHeldDigest: '',
  }) as const;

/** Assignments that the log has after the freeze that covers them, at a time that lies in it, without an override of it. */
function violations(entries: readonly RecordedEvent[]): string[] {
  let freezes: FreezesState = initialFreezesState;
  const overrides = new Map<string, number>();
  const found: string[] = [];
  for (const { event, position, recordedAt } of entries) {
    if (event.type === 'FreezeDeclared' || event.type === 'FreezeLifted') {
      freezes = evolveFreezes(freezes, event as FreezeEvent);
    }
    if (event.type === 'RolloutStarted' && event.override?.at !== undefined) {
      overrides.set(event.rolloutId, event.override.at);
    }
    if (event.type !== 'TargetAssigned') continue;
    const place = { project: 'default' as never, pipeline, stage: event.stage };
    const overriddenAt = overrides.get(event.rolloutId ?? '') ?? Number.NEGATIVE_INFINITY;
    for (const at of [event.at, recordedAt]) {
      const broken = inForce(freezes, at).filter(
        ({ scope, declaredAt }) => covers(scope, place) && declaredAt > overriddenAt,
      );
      for (const { id } of broken)
        found.push(`${position}: ${event.clusterName} at ${at} in ${id}`);
    }
  }
  return found;
}

it('WIN-01, promise 4: whatever comes between a look and its append, no assignment lies in a freeze', {
  timeout: 120_000,
}, async () => {
  let assignments = 0;
  let retries = 0;
  let frozen = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(actions, { minLength: 5, maxLength: 40 }), async (history) => {
      await using world = await openWorld();
      await world.act({ kind: 'push' });
      for (const action of history) await world.act(action);
      const entries = await world.entries();
      expect(violations(entries)).toEqual([]);
      assignments += entries.filter(({ event }) => event.type === 'TargetAssigned').length;
      frozen += entries.filter(({ event }) => event.type === 'FreezeDeclared').length;
      retries += world.retries();
    }),
    { numRuns: 60 },
  );
  // The histories have in them what they are about.
  expect(assignments).toBeGreaterThan(50);
  expect(frozen).toBeGreaterThan(50);
  expect(retries).toBeGreaterThan(10);
});

it('WIN-01: a freeze that comes between the snapshot and the append makes the decision anew', async () => {
  await using world = await openWorld();
  await world.act({ kind: 'push' });
  const declare = { kind: 'declare', scope: { kind: 'hub' }, running: 'drain' } as const;
  await world.act({ kind: 'advance', between: [declare] });
  const types = (await world.entries()).map(({ event }) => event.type);
  expect(types).toContain('FreezeDeclared');
  expect(types).not.toContain('TargetAssigned');
  expect(world.retries()).toBe(1);
  await world.act({ kind: 'lift', which: 0 });
  await world.act({ kind: 'advance', between: [] });
  expect((await world.entries()).map(({ event }) => event.type)).toContain('TargetAssigned');
});

it('WIN-01: a planned freeze that begins while the decision is made counts as well', async () => {
  await using world = await openWorld();
  await world.act({ kind: 'push' });
  const planned = { kind: 'declare', scope: { kind: 'hub' }, inMs: 50, running: 'drain' } as const;
  await world.act(planned);
  await world.act({ kind: 'advance', between: [{ kind: 'tick', byMs: 50 }] });
  expect((await world.entries()).map(({ event }) => event.type)).not.toContain('TargetAssigned');
  expect(world.retries()).toBe(1);
});

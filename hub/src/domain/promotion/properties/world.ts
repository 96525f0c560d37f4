import type {
  ApprovalRequestId,
  FreezeId,
  NewId,
  PipelineName,
  ProjectName,
  StageName,
} from '@fairlead/shared/ids';
import fc from 'fast-check';
import type { DeclaredFreeze } from '../../freeze/index.ts';
import type { Person } from '../../hub/index.ts';
import type { PipelineDefinition, StageDefinition } from '../../pipeline/definition.ts';
import { stageNamed } from '../../pipeline/index.ts';
import type { PipelineCommand } from '../commands.ts';
import type { PipelineEvent } from '../events.ts';
import { values } from '../persistent-map.ts';
import type { CommitStatus } from '../snapshot.ts';
import {
  commit,
  createStory,
  definitionOf,
  minuteMs,
  release,
  type StageChange,
  type Story,
  stageOf,
} from '../testing-story.ts';

// Generated pipelines, fleets and histories, with all that people and clusters may do at any moment.

export const stageNames = ['one', 'two', 'three', 'four'] as const;
const clusterNames = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const positionMax = 40;

const person = (subject: string, groups: string[], email: string): Person => ({
  subject,
  groups,
  emails: [email],
  permissions: ['promote', 'approve', 'rollback', 'hold', 'hotfix', 'override-freeze', 'verify'],
});
/** The first has the author's address. */
export const people: readonly Person[] = [
  person('author', ['managers'], 'Ada@Example.com'),
  person('first', ['managers'], 'first@example.com'),
  person('second', ['managers'], 'second@example.com'),
  person('guest', [], 'guest@example.com'),
];

/** A history's pipeline with what is around it. */
export type World = {
  readonly story: Story;
  readonly definition: () => PipelineDefinition;
  /** Everything so far, each event with what the snapshot of its decision showed. */
  readonly recorded: RecordedEvent[];
  readonly freezes: Map<string, DeclaredFreeze>;
  readonly statuses: Map<string, CommitStatus>;
};

export type RecordedEvent = {
  readonly event: PipelineEvent;
  readonly command: PipelineCommand['type'];
  readonly at: number;
  readonly freezes: readonly DeclaredFreeze[];
  readonly statuses: readonly CommitStatus[];
  /** Clusters that belong to each stage, by name of the stage. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
};

export type Action = { readonly name: string; readonly run: (world: World) => void };

const amount = fc.oneof(
  fc.nat({ max: 2 }).map((count) => ({ count })),
  fc.constantFrom(0, 25, 50, 100).map((percent) => ({ percent })),
);
const positive = fc.oneof(
  fc.integer({ min: 1, max: 2 }).map((count) => ({ count })),
  fc.constantFrom(25, 50, 100).map((percent) => ({ percent })),
);

const rolloutArbitrary: fc.Arbitrary<Partial<StageDefinition['rollout']>> = fc.record(
  {
    waves: fc.constantFrom<StageDefinition['rollout']['waves']>(
      [],
      [{ kind: 'labels', matchLabels: { canary: 'true' } }],
      [{ kind: 'size', max: { count: 1 } }],
      [
        { kind: 'labels', matchLabels: { canary: 'true' } },
        { kind: 'size', max: { percent: 50 } },
      ],
    ),
    maxConcurrent: positive,
    maxFailures: amount,
    minHealthyMs: fc.constantFrom(0, minuteMs),
    offline: fc.constantFrom('wait', 'skip-and-catch-up', 'fail'),
    lateJoin: fc.constantFrom('current', 'append'),
    onFailure: fc.constantFrom('pause', 'rollback-failed', 'rollback-wave', 'rollback'),
  },
  { requiredKeys: [] },
);

const stageArbitrary = (
  name: string,
  before: readonly StageName[],
): fc.Arbitrary<StageDefinition> =>
  fc
    .record({
      after: fc.subarray([...before], { minLength: Math.min(1, before.length) }),
      afterMode: fc.constantFrom('all' as const, 'any' as const),
      isControl:
        before.length === 0 ? fc.constant(false) : fc.constantFrom(false, false, false, true),
      promote: fc.constantFrom('automatic' as const, 'automatic' as const, 'manual' as const),
      supersede: fc.constantFrom<StageDefinition['supersede']>(
        { mode: 'latest', soaks: 0, interrupt: false },
        { mode: 'latest', soaks: 0, interrupt: true },
        { mode: 'finish-current', soaks: 0, interrupt: false },
        { mode: 'latest-after', soaks: 2, interrupt: false },
      ),
      soakMs: fc.constantFrom(0, 0, 5 * minuteMs),
      approvals: fc.option(
        fc.record({ required: fc.integer({ min: 1, max: 2 }), excludeAuthor: fc.boolean() }),
        { nil: undefined, freq: 3 },
      ),
      statuses: fc.constantFrom<string[]>([], [], ['load-test']),
      hotfix: fc.boolean(),
      rollout: rolloutArbitrary,
    })
    .map(({ after, afterMode, isControl, approvals, soakMs, statuses, hotfix, ...rest }) => {
      const change: StageChange = {
        after,
        afterMode,
        promote: rest.promote,
        supersede: rest.supersede,
        rollout: rest.rollout,
        gates: {
          soakMs,
          statuses,
          ...(approvals === undefined
            ? {}
            : {
                approvals: {
                  from: ['group:managers'],
                  including: [],
                  excludeRequester: false,
                  expiresAfterMs: 0,
                  strict: false,
                  recheckVoters: true,
                  ...approvals,
                },
              }),
        },
        ...(hotfix
          ? {
              hotfix: {
                mayBypass: ['order', 'soak', 'approval', 'status'],
                from: ['group:managers'],
              },
            }
          : {}),
      };
      const stage = stageOf(name, change);
      if (!isControl) return stage;
      const { clusters: _, ...control } = stage;
      return { ...control, path: '' };
    });

export const pipelineArbitrary: fc.Arbitrary<PipelineDefinition> = fc
  .integer({ min: 1, max: stageNames.length })
  .chain((count) =>
    fc.tuple(
      ...stageNames
        .slice(0, count)
        .map((name, index) => stageArbitrary(name, stageNames.slice(0, index) as never)),
    ),
  )
  .map((stages) => definitionOf(...stages));

/** What a reader of a counterexample needs of a definition. */
const outline = ({ stages }: PipelineDefinition): string =>
  stages
    .map(({ name, after, afterMode, clusters, promote, supersede, gates, rollout }) => {
      const { soakMs, approvals, statuses } = gates;
      const shape = { after, afterMode, isControl: clusters === undefined, promote, supersede };
      return `${name} ${JSON.stringify({ ...shape, soakMs, approvals, statuses, rollout })}`;
    })
    .join('; ');

const stageName = fc.constantFrom(...stageNames).map((name) => name as string as StageName);
const clusterName = fc.constantFrom(...clusterNames);
const commitArbitrary = fc.integer({ min: 1, max: 9 }).map((number) => commit(number));
const personArbitrary = fc.constantFrom(...people);

/** A counterexample reads as the names of its actions. */
const action = (name: string, run: (world: World) => void): Action =>
  Object.assign({ name, run }, { [fc.toStringMethod]: () => name });

const withStage = (world: World, stage: StageName): StageDefinition | undefined =>
  stageNamed(world.definition(), stage);

/** Sends a command that may be refused; what it decided is recorded. */
export function send(world: World, command: PipelineCommand): void {
  const { story } = world;
  if (story.refusalOf(command) !== 'accepted') return;
  record(world, command.type, story.execute(command));
}

function record(
  world: World,
  command: PipelineCommand['type'],
  events: readonly PipelineEvent[],
): void {
  const { story, freezes, statuses, recorded } = world;
  const at = story.now;
  const seen = { command, at, freezes: [...freezes.values()], statuses: [...statuses.values()] };
  const members = new Map(
    world.definition().stages.map((stage) => [
      stage.name as string,
      new Set(
        story
          .snapshot()
          .clusters.filter(
            ({ labels, status }) =>
              stage.clusters !== undefined &&
              status !== 'pending' &&
              status !== 'revoked' &&
              labels.environment === stage.clusters.matchLabels.environment,
          )
          .map(({ id }) => id as string),
      ),
    ]),
  );
  for (const event of events) recorded.push({ event, members, ...seen });
}

export const advance = (world: World): PipelineEvent[] => {
  const events = world.story.advance();
  record(world, 'advance', events);
  return events;
};

const onBranch = (story: Story) => story.state.releases.filter(({ orphaned }) => !orphaned);

/** The next commit on the branch; after a force-push it stands where the dropped one stood. */
export function push(world: World): void {
  const { story } = world;
  const branch = onBranch(story);
  const position = (branch.at(-1)?.position ?? 0) + 1;
  if (position > positionMax) return;
  const variant = story.state.releases.filter((one) => one.position === position).length;
  record(world, 'record-branch', []);
  story.branch(...branch, release(position, String(variant % 10)));
}

export const head = ({ story }: World) => onBranch(story).at(-1)?.commit;

const reportAction = fc
  .record({
    stage: stageName,
    cluster: clusterName,
    phase: fc.constantFrom('settled' as const, 'waiting' as const, 'failed' as const),
    health: fc.constantFrom('healthy' as const, 'progressing' as const, 'degraded' as const),
    isStale: fc.constantFrom(false, false, true),
  })
  .map(({ stage, cluster, phase, health, isStale }) =>
    action(`report ${stage} ${cluster} ${phase} ${health}${isStale ? ' stale' : ''}`, (world) => {
      const target = world.story.target(stage, cluster);
      if (target === undefined) return;
      const generation = target.generation - (isStale ? 1 : 0);
      const healthySince = health === 'healthy' ? { healthySince: world.story.now } : {};
      world.story.report(stage, cluster, { phase, health, generation, ...healthySince });
    }),
  );

/** Every target of the stage is healthy, and was for as long as anybody asks. */
export function settle(world: World, stage: StageName): void {
  if (!world.story.state.stages.has(stage)) return;
  for (const { cluster } of values(world.story.stage(stage).targets)) {
    world.story.report(stage, cluster, { healthySince: world.story.now - 10 * minuteMs });
  }
}

const approvalAction = fc
  .record({
    stage: stageName,
    by: personArbitrary,
    type: fc.constantFrom('approve', 'approve', 'approve', 'reject', 'withdraw-approval'),
    release: fc.option(commitArbitrary, { nil: undefined, freq: 4 }),
  })
  .map(({ stage, by, type, release: named }) =>
    action(`${by.subject} says ${type} in ${stage} ${named ?? 'of the head'}`, (world) => {
      const of = named ?? head(world);
      if (of === undefined || withStage(world, stage) === undefined) return;
      const [newId] = world.story.newIds();
      const about = { stage, release: of, by, at: world.story.now, newId: newId as NewId };
      if (type === 'approve') send(world, { type, comment: '', ...about });
      else if (type === 'reject') send(world, { type, reason: 'no', ...about });
      else send(world, { type: 'withdraw-approval', stage, release: of, by, at: world.story.now });
    }),
  );

const freezeAction = fc
  .record({
    scope: fc.oneof(fc.constantFrom('hub', 'project', 'pipeline'), stageName),
    running: fc.constantFrom('drain' as const, 'drain' as const, 'stop' as const),
    lifts: fc.boolean(),
  })
  .map(({ scope, running, lifts }) =>
    action(`${lifts ? 'unfreeze' : 'freeze'} ${scope} ${running}`, (world) => {
      const { freezes, story } = world;
      if (lifts) freezes.delete(scope);
      else {
        const pipeline = 'checkout' as PipelineName;
        freezes.set(scope, {
          id: `freeze${scope}` as FreezeId,
          reason: 'peak',
          by: 'first',
          from: story.now,
          declaredAt: story.now,
          running,
          scope:
            scope === 'hub'
              ? { kind: 'hub' }
              : scope === 'project'
                ? { kind: 'project', project: 'default' as ProjectName }
                : scope === 'pipeline'
                  ? { kind: 'pipeline', pipeline }
                  : { kind: 'stage', pipeline, stage: scope as StageName },
        });
      }
      story.surround({ freezes: [...freezes.values()] });
    }),
  );

const promoteAction = fc
  .record({
    stage: stageName,
    release: fc.option(commitArbitrary, { nil: undefined }),
    force: fc.constantFrom(false, false, true),
    by: personArbitrary,
    hotfix: fc.constantFrom(false, false, true),
    override: fc.constantFrom(false, false, true),
  })
  .map(({ stage, release: of, force, by, hotfix, override }) =>
    action(
      `${by.subject} promotes ${of ?? ''} to ${stage}${force ? ' by force' : ''}${hotfix ? ' as a hotfix' : ''}`,
      (world) => {
        if (withStage(world, stage) === undefined) return;
        send(world, {
          ...(world.story.promote(stage, of, force) as Extract<
            PipelineCommand,
            { type: 'promote' }
          >),
          by,
          ...(hotfix ? { hotfix: { bypass: ['soak', 'approval'], reason: 'it burns' } } : {}),
          ...(override ? { overrideReason: 'it burns' } : {}),
        });
      },
    ),
  );

const commandAction = fc
  .tuple(
    stageName,
    fc.constantFrom(
      'hold-stage',
      'resume-stage',
      'abort-rollout',
      'pause-rollout',
      'continue-rollout',
    ),
  )
  .map(([stage, type]) =>
    action(`${type} ${stage}`, (world) => {
      if (withStage(world, stage) === undefined) return;
      const about = { stage, reason: 'test', at: world.story.now };
      send(world, { type: type as 'pause-rollout', ...about });
    }),
  );

const rollbackAction = fc
  .record({
    stage: stageName,
    to: fc.option(commitArbitrary, { nil: undefined }),
    override: fc.boolean(),
  })
  .map(({ stage, to, override }) =>
    action(`roll ${stage} back ${to ?? ''}`, (world) => {
      if (withStage(world, stage) === undefined) return;
      const command = world.story.rollback(stage, to) as Extract<
        PipelineCommand,
        { type: 'rollback' }
      >;
      const by = people[1] as Person;
      send(world, override ? { ...command, by, overrideReason: 'it burns' } : { ...command, by });
    }),
  );

const clusterAction = fc
  .record({
    cluster: clusterName,
    stage: fc.oneof({ weight: 8, arbitrary: stageName }, fc.constant('none')),
    canary: fc.boolean(),
    status: fc.constantFrom('connected', 'connected', 'connected', 'offline', 'pending', 'revoked'),
  })
  .map(({ cluster, stage, canary, status }) =>
    action(`cluster ${cluster} is ${stage} ${status}${canary ? ' canary' : ''}`, (world) => {
      const labels = { environment: stage, canary: String(canary) };
      world.story.cluster(cluster, stage, { labels, status: status as 'connected' });
    }),
  );

const statusAction = fc
  .record({
    release: fc.option(commitArbitrary, { nil: undefined, freq: 4 }),
    state: fc.constantFrom('success' as const, 'success' as const, 'failure' as const),
  })
  .map(({ release: named, state }) =>
    action(`CI says ${state} of ${named ?? 'the head'}`, (world) => {
      const of = named ?? head(world);
      if (of === undefined) return;
      const { statuses, story } = world;
      statuses.set(of, {
        commit: of,
        name: 'load-test',
        state,
        description: '',
        receivedAt: story.now,
      });
      story.surround({ statuses: [...statuses.values()] });
    }),
  );

export const actionArbitrary = (pipeline: fc.Arbitrary<PipelineDefinition>): fc.Arbitrary<Action> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(action('push', push)) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1, max: 3 }).map((count) =>
        action(`force-push drops ${count}`, ({ story }) => {
          const kept = onBranch(story).slice(0, -count);
          if (kept.length > 0) story.branch(...kept);
        }),
      ),
    },
    { weight: 8, arbitrary: reportAction },
    {
      weight: 10,
      arbitrary: stageName.map((stage) =>
        action(`settle ${stage}`, (world) => settle(world, stage)),
      ),
    },
    { weight: 4, arbitrary: clusterAction },
    {
      weight: 1,
      arbitrary: clusterName.map((name) =>
        action(`remove ${name}`, ({ story }) => void story.removeCluster(name)),
      ),
    },
    {
      weight: 4,
      arbitrary: fc
        .constantFrom(1, 4, 10)
        .map((minutes) =>
          action(`${minutes} minutes pass`, ({ story }) => void story.pass(minutes * minuteMs)),
        ),
    },
    { weight: 3, arbitrary: promoteAction },
    { weight: 2, arbitrary: rollbackAction },
    { weight: 2, arbitrary: commandAction },
    { weight: 6, arbitrary: approvalAction },
    { weight: 2, arbitrary: freezeAction },
    { weight: 3, arbitrary: statusAction },
    {
      weight: 1,
      arbitrary: pipeline.map((definition) =>
        action(`define ${outline(definition)}`, (world) =>
          send(world, { type: 'define-pipeline', definition }),
        ),
      ),
    },
  );

export const historyArbitrary: fc.Arbitrary<{
  definition: PipelineDefinition;
  actions: Action[];
}> = fc.record({
  definition: pipelineArbitrary,
  actions: fc.array(actionArbitrary(pipelineArbitrary), { minLength: 10, maxLength: 80 }),
});

/** Lives through the actions with a look after each; clusters a to d belong to the stages by their order at first. */
export function live(
  { definition, actions }: { definition: PipelineDefinition; actions: readonly Action[] },
  afterEach: (world: World) => void = () => {},
): World {
  const story = createStory(definition);
  story.surround({ people });
  const world: World = {
    story,
    definition: () => story.state.definition,
    recorded: [],
    freezes: new Map(),
    statuses: new Map(),
  };
  clusterNames.slice(0, 6).forEach((name, index) => {
    const environment = stageNames[index % stageNames.length] ?? 'one';
    const labels = { environment, canary: String(index < 4) };
    story.cluster(name, environment, { labels });
  });
  push(world);
  for (const { run } of actions) {
    run(world);
    advance(world);
    afterEach(world);
  }
  return world;
}

export type { ApprovalRequestId };

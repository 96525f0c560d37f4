import { type Chance, createChance } from '../world/chance.ts';
import type { Behaviour } from '../world/repository.ts';
import { policiesOf } from './policies.ts';
import type { Action, ClusterShape, PersonName, Scenario, StageShape } from './scenario.ts';

const minuteMs = 60_000;
const behaviours: readonly Behaviour[] = [
  'good',
  'good',
  'good',
  'good',
  'slow',
  'never-healthy',
  'breaks-later',
  'no-render',
  'empty',
];

/** A whole story from one seed: a pipeline, a fleet, what people do to both, and what goes wrong. */
export function generateScenario(seed: string): Scenario {
  const chance = createChance(`scenario ${seed}`);
  // Small stories are many and short to read; large ones bring more together.
  const isSmall = chance.happens(0.8);
  const stages = stagesOf(chance.fork('stages'));
  const clusters = clustersOf(chance.fork('clusters'), stages, isSmall);
  const rough = chance.happens(0.7);
  const network = {
    loss: rough ? chance.fraction() * 0.3 : 0,
    duplicate: rough ? chance.fraction() * 0.4 : 0,
    late: rough ? chance.fraction() * 0.1 : 0,
    stray: chance.happens(0.4) ? 0.3 : 0,
    delayMsMax: rough ? chance.between(20, 2_000) : 30,
  };
  const calmAtMs = (isSmall ? chance.between(60, 300) : chance.between(120, 780)) * 1_000;
  const context = { chance: chance.fork('actions'), stages, clusters, endsAtMs: calmAtMs, isSmall };
  return { seed, stages, clusters, network, actions: actionsOf(context), calmAtMs };
}

function stagesOf(chance: Chance): StageShape[] {
  const count = chance.between(1, 3);
  return Array.from({ length: count }, (_, index) => ({
    ...stageShape(chance),
    name: `s${index + 1}`,
    // Every stage but the first comes after at least one that stands before it.
    after: Array.from({ length: index }, (_, before) => `s${before + 1}`).filter(
      (_, before) => before === index - 1 || chance.happens(0.4),
    ),
  }));
}

const stageShape = (chance: Chance): Omit<StageShape, 'name' | 'after'> => ({
  promote: chance.happens(0.2) ? 'manual' : 'automatic',
  soakMs: chance.happens(0.5) ? chance.between(20, 120) * 1_000 : 0,
  progressDeadlineMs: chance.between(40, 150) * 1_000,
  deletionObjectsMax: chance.happens(0.3) ? 0 : 10,
  pathVersion: 1,
  ...policiesOf(chance.fork('policies')),
});

function clustersOf(
  chance: Chance,
  stages: readonly StageShape[],
  isSmall: boolean,
): ClusterShape[] {
  const clusters: ClusterShape[] = [];
  for (const { name: stage } of stages) {
    const count = chance.happens(isSmall ? 0.7 : 0.4) ? 1 : chance.between(2, 3);
    for (let index = 0; index < count; index++) {
      clusters.push({ name: `k${clusters.length + 1}`, stage });
    }
  }
  return clusters;
}

type Context = {
  readonly chance: Chance;
  readonly stages: readonly StageShape[];
  readonly clusters: readonly ClusterShape[];
  readonly endsAtMs: number;
  readonly isSmall: boolean;
};

/** How often each kind of action comes, relative to the others. */
const weights: readonly (readonly [number, (context: Context) => Untimed])[] = [
  [10, ({ chance }) => push(chance)],
  [1, () => ({ type: 'revert' })],
  [2, ({ chance }) => ({ type: 'force-push', drops: chance.between(1, 2) })],
  [1, () => ({ type: 'restore-branch' })],
  [2, redefinition],
  [2, (context) => ({ type: 'move-cluster', ...aCluster(context), ...aStage(context) })],
  [1, (context) => ({ type: 'remove-cluster', ...aCluster(context) })],
  [0.5, (context) => ({ type: 'revoke-cluster', ...aCluster(context) })],
  [4, promotion],
  [4, rollback],
  [1.5, (context) => ({ type: 'hold', ...aStage(context) })],
  [2, (context) => ({ type: 'resume', ...aStage(context) })],
  [2, (context) => ({ type: 'abort', ...aStage(context) })],
  [2, () => ({ type: 'confirm' })],
  [4, (context) => ({ type: 'approve', ...vote(context) })],
  [0.5, (context) => ({ type: 'reject', ...vote(context) })],
  [0.5, (context) => ({ type: 'withdraw-approval', ...vote(context) })],
  [3, statusReport],
  [2, freeze],
  [2, () => ({ type: 'unfreeze' })],
  [2, (context) => ({ type: 'pause', ...aStage(context) })],
  [1.5, (context) => ({ type: 'continue', ...aStage(context) })],
  [3, ({ chance }) => ({ type: 'crash-hub', ...crash(chance) })],
  [
    4,
    (context) => ({
      type: 'crash-agent',
      ...aCluster(context),
      ...crash(context.chance),
      losesPower: context.chance.happens(0.4),
    }),
  ],
  [3, (context) => ({ type: 'cut', ...aCluster(context), ...aWhile(context.chance) })],
  [1, ({ chance }) => ({ type: 'hub-clock', byMs: chance.between(-2 * minuteMs, 2 * minuteMs) })],
  [1, agentClock],
  [1, (context) => ({ type: 'lose-api', ...aCluster(context), ...aWhile(context.chance) })],
  [3, (context) => ({ type: 'degrade', ...aCluster(context), ...aWhile(context.chance) })],
  [2, meddling],
];

type Untimed = Action extends infer One ? (One extends Action ? Omit<One, 'atMs'> : never) : never;

function actionsOf(context: Context): Action[] {
  const { chance, stages, clusters, endsAtMs, isSmall } = context;
  const total = weights.reduce((sum, [weight]) => sum + weight, 0);
  const one = (): Untimed => {
    let left = chance.fraction() * total;
    for (const [weight, make] of weights) {
      left -= weight;
      if (left < 0) return make(context);
    }
    return push(chance);
  };
  const count = isSmall ? chance.between(3, 11) : chance.between(8, 28);
  const actions: Action[] = [
    { atMs: 500, type: 'push', behaviour: 'good', extras: [1, 2] },
    ...Array.from(
      { length: count },
      () => ({ ...one(), atMs: chance.between(1_000, endsAtMs) }) as Action,
    ),
  ];
  if (chance.happens(0.25)) actions.push(...seesaw(context));
  if (chance.happens(0.15)) actions.push(...insistence(context));
  const joins = chance.between(0, 2);
  for (let index = 0; index < joins; index++) {
    const cluster = { name: `k${clusters.length + index + 1}`, stage: chance.pick(stages).name };
    actions.push({ atMs: chance.between(20_000, endsAtMs), type: 'add-cluster', cluster });
  }
  return actions.sort((left, right) => left.atMs - right.atMs);
}

/** Somebody forces a release that fails, and forces it again. */
function insistence({ chance, stages, endsAtMs }: Context): Action[] {
  const stage = stages[0]?.name ?? '';
  const atMs = chance.between(20_000, endsAtMs / 2);
  const force = { type: 'promote', stage, which: 0.999, force: true } as const;
  return [
    { atMs, type: 'push', behaviour: chance.pick(['no-render', 'never-healthy']), extras: [1] },
    { ...force, atMs: atMs + chance.between(10_000, 40_000) },
    { ...force, atMs: atMs + chance.between(45_000, 90_000) },
  ];
}

/** A stage goes back and forth between two releases, so that each stays for a while and comes again. */
function seesaw({ chance, stages, endsAtMs }: Context): Action[] {
  const stage = stages[0]?.name ?? '';
  const actions: Action[] = [];
  let atMs = chance.between(20_000, 60_000);
  actions.push({ atMs, type: 'push', behaviour: 'good', extras: [1] });
  for (let swing = chance.between(2, 5); swing > 0; swing--) {
    atMs += chance.between(10_000, 70_000);
    if (atMs > endsAtMs) break;
    actions.push({ atMs, type: 'rollback', stage, which: undefined });
    atMs += chance.between(5_000, 20_000);
    actions.push({ atMs, type: 'promote', stage, which: undefined, force: false });
  }
  return actions;
}

const extrasOf = (chance: Chance): number[] => [1, 2, 3, 4].filter(() => chance.happens(0.6));
const push = (chance: Chance): Untimed => ({
  type: 'push',
  behaviour: chance.pick(behaviours),
  extras: extrasOf(chance),
});
const aStage = ({ chance, stages }: Context) => ({ stage: chance.pick(stages).name });
const aCluster = ({ chance, clusters }: Context) => ({
  cluster: `k${chance.between(1, clusters.length + 2)}`,
});
const aWhile = (chance: Chance) => ({ durationMs: chance.between(2_000, 80_000) });
const maybe = (chance: Chance) => (chance.happens(0.5) ? chance.fraction() : undefined);
const crash = (chance: Chance) => ({
  boundaries: chance.happens(0.2) ? 0 : chance.between(1, 40),
  downMs: chance.between(200, 40_000),
});

function promotion(context: Context): Untimed {
  const { chance } = context;
  const which = maybe(chance);
  const hotfix = chance.happens(0.3);
  const [force, overrides] = [chance.happens(0.3), chance.happens(0.2)];
  return { type: 'promote', ...aStage(context), which, force, hotfix, overrides };
}

function rollback(context: Context): Untimed {
  const { chance } = context;
  const [which, overrides] = [maybe(chance), chance.happens(0.3)];
  return { type: 'rollback', ...aStage(context), which, overrides };
}

function freeze(context: Context): Untimed {
  const { chance } = context;
  const { stage } = aStage(context);
  const scope = chance.happens(0.6) ? stage : undefined;
  const stops = chance.happens(0.3);
  const durationMs = chance.happens(0.6) ? chance.between(5_000, 90_000) : undefined;
  const asItAssigns = chance.fork(`freeze for ${durationMs}`).happens(0.5);
  return { type: 'freeze', stage: scope, stops, durationMs, asItAssigns };
}

/** Mostly about the newest commits. */
const aCommit = (chance: Chance): number => 1 - chance.fraction() ** 2;

const people: readonly PersonName[] = ['ada', 'bob', 'cyn'];
const vote = (context: Context) => ({
  ...aStage(context),
  which: aCommit(context.chance),
  by: context.chance.pick(people),
});

function statusReport({ chance }: Context): Untimed {
  const state = chance.happens(0.7) ? 'success' : 'failure';
  return { type: 'report-status', which: aCommit(chance), state };
}

function agentClock(context: Context): Untimed {
  const byMs = context.chance.between(-24 * 60, 24 * 60) * minuteMs;
  return { type: 'agent-clock', ...aCluster(context), byMs };
}

function meddling(context: Context): Untimed {
  const { chance } = context;
  const object = chance.below(8);
  return { type: 'meddle', ...aCluster(context), object, deletes: chance.happens(0.4) };
}

/** The same stages with other terms, at times with another folder, and at times without the last one. */
function redefinition({ chance, stages }: Context): Untimed {
  const keeps = stages.length > 1 && chance.happens(0.15) ? stages.slice(0, -1) : stages;
  const changed = keeps.map((stage) =>
    chance.happens(0.5)
      ? { ...stage, ...stageShape(chance), pathVersion: chance.happens(0.2) ? 2 : 1 }
      : stage,
  );
  return { type: 'define', stages: changed };
}

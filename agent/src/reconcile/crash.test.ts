import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test, vi } from 'vitest';
import type { Assignment, AuditEntry } from '../domain/link/index.ts';
import {
  type Agent,
  assignmentOf,
  configMap,
  configMapAddress,
  createLife,
  createWorld,
  deployment,
  type NumberedLife,
  startAgent,
  type World,
  workingStatus,
} from './testing/index.ts';

const unit = 'checkout/staging';

const job = (name: string, image: string): KubernetesObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    name,
    namespace: 'default',
    annotations: {
      'argocd.argoproj.io/hook': 'PreSync',
      'argocd.argoproj.io/hook-delete-policy': name === 'prepare' ? 'HookSucceeded' : '',
    },
  },
  spec: { template: { spec: { containers: [{ name: 'run', image }] } } },
});
/** Its selector never changes, and it may be made anew. */
function replaceable(label: string): KubernetesObject {
  const object = deployment('replaceable');
  const spec = object.spec as { selector: object };
  spec.selector = { matchLabels: { app: label } };
  object.metadata.annotations = { 'fairlead.dev/replace': 'enabled' };
  return object;
}
const late = (value: string): KubernetesObject => {
  const object = configMap('late', value);
  object.metadata.annotations = { 'fairlead.dev/wave': '1' };
  return object;
};

/** A cluster where another tool has deployed one of the objects, and commits that touch every way of writing one. */
function createShop(): World {
  const world = createWorld((object) =>
    object.kind === 'Job'
      ? { conditions: [{ type: 'Complete', status: 'True' }] }
      : workingStatus(object),
  );
  world.cluster.edit(configMapAddress('taken'), 'kustomize-controller', (object) => {
    object.data = { value: 'theirs', theirs: 'kept' };
  });
  world.renders.set('a', [
    job('migrate', 'run:1'),
    job('prepare', 'run:1'),
    configMap('same'),
    configMap('old'),
    configMap('taken', 'a'),
    deployment('web', 'web:1'),
    replaceable('one'),
    late('a'),
  ]);
  world.renders.set('b', [
    job('migrate', 'run:2'),
    job('prepare', 'run:1'),
    configMap('same'),
    configMap('new'),
    configMap('taken', 'b'),
    deployment('web', 'web:2'),
    replaceable('two'),
    late('b'),
  ]);
  return world;
}

/** What is in the cluster, without what only counts writes. */
const stateOf = (world: World): string[] =>
  world.cluster
    .objects()
    .filter(({ kind }) => kind !== 'Unit')
    .map(({ metadata, ...rest }) => {
      const { name, labels, annotations, managedFields } = metadata;
      return JSON.stringify({ ...rest, name, labels, annotations, managedFields });
    })
    .toSorted();

type Story = { readonly name: string; readonly offers: readonly Assignment[] };

const story = (name: string, ...offers: Assignment[]): Story => ({ name, offers });
const stories = [
  story('a first commit', assignmentOf(unit, 1, 'a')),
  story('a second commit', assignmentOf(unit, 1, 'a'), assignmentOf(unit, 2, 'b')),
  story(
    'an order to delete',
    assignmentOf(unit, 1, 'a'),
    assignmentOf(unit, 2, 'a', { disposition: 'delete' }),
  ),
];

const isAtEnd = (agent: Agent, { generation, disposition }: Assignment): boolean => {
  const report = agent.report(unit);
  const phase = disposition === 'delete' ? 'deleted' : 'settled';
  return report?.phase === phase && report.generation === generation;
};
const until = (check: () => boolean) =>
  vi.waitFor(() => expect(check()).toBe(true), { timeout: 5_000, interval: 1 });

let kills = 0;

type Told = { readonly state: readonly string[]; readonly audits: readonly AuditEntry[] };

/** The story up to its last offer without trouble; the last one by lives that end, one after the other. */
async function tell({ offers }: Story, lives: readonly NumberedLife[]): Promise<Told> {
  const world = createShop();
  const audits: AuditEntry[] = [];
  for (const offer of offers.slice(0, -1)) {
    const agent = await startAgent(world);
    agent.reconciler.offer(offer);
    await until(() => isAtEnd(agent, offer));
    await agent.kill();
    audits.push(...agent.audits);
  }
  const last = offers.at(-1) as Assignment;
  kills += lives.length;
  for (const life of [...lives, createLife()]) {
    const agent = await startAgent({ ...world, life });
    try {
      // The hub offers what the agent does not hold, at each of its lives.
      agent.reconciler.offer(last);
    } catch (error) {
      if (!life.isOver()) throw error;
    }
    await until(() => life.isOver() || isAtEnd(agent, last));
    await agent.kill();
    audits.push(...agent.audits);
  }
  return { state: stateOf(world), audits };
}

/** Facts that happen once a generation, with the object that each is about. */
function factsOf(audits: readonly AuditEntry[]): string[] {
  return audits.flatMap(({ kind, generation, object, details }) => {
    const created = (details?.created ?? []) as readonly string[];
    const configured = (details?.configured ?? []) as readonly string[];
    const about =
      kind === 'ObjectsApplied' ? [...created, ...configured] : [object?.name ?? 'the unit'];
    return about.map((name) => `${generation} ${kind} ${name}`);
  });
}

describe.each(stories)('promise 11, F18: $name', (told) => {
  test('ends in the same state when the agent is killed at any numbered step', async () => {
    const whole = createLife();
    const world = createShop();
    for (const offer of told.offers) {
      const isLast = offer === told.offers.at(-1);
      const agent = await startAgent({ ...world, ...(isLast ? { life: whole } : {}) });
      agent.reconciler.offer(offer);
      await until(() => isAtEnd(agent, offer));
      await agent.kill();
    }
    const expected = stateOf(world);
    const steps = whole.steps.length;
    expect(steps).toBeGreaterThan(20);

    for (let step = 1; step <= steps; step++) {
      const { state, audits } = await tell(told, [createLife(step)]);
      const at = `killed at step ${step}, ${whole.steps[step - 1]}`;
      expect(state, at).toEqual(expected);
      const facts = factsOf(audits);
      expect(facts.toSorted(), at).toEqual([...new Set(facts)].toSorted());
    }
  }, 60_000);

  test('ends in the same state when the agent is killed several times in a row', async () => {
    const { state: expected } = await tell(told, []);
    for (let first = 3; first <= 30; first += 3) {
      const lives = [first, first + 1, first + 2].map((step) => createLife(step));
      const { state } = await tell(told, lives);
      expect(state, `killed at steps ${first}, ${first + 1} and ${first + 2}`).toEqual(expected);
    }
  }, 60_000);
});

test('F18: these were more than a hundred kills', () => {
  expect(kills).toBeGreaterThan(100);
});

import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { Freeze } from '../../freeze/index.ts';
import type { PipelineDefinition, StageDefinition } from '../../pipeline/definition.ts';
import type { PipelineCommand } from '../commands.ts';
import { decidePipeline } from '../decide.ts';
import type { PipelineEvent } from '../events.ts';
import { evolvePipeline } from '../evolve.ts';
import { explain, nextWakeAt } from '../explain.ts';
import { initialPipelineState } from '../state.ts';
import { minuteMs } from '../testing-story.ts';
import { livedOnce } from './lived-once.ts';
import {
  advance,
  head,
  historyArbitrary,
  live,
  people,
  push,
  send,
  settle,
  type World,
} from './world.ts';

// The eleven properties of promotion, over generated pipelines, fleets and histories. What they check is worked out here
// from the events and from what was around them, never by the functions that decided.

vi.setConfig({ testTimeout: 120_000 });
const runsPerProperty = 150;

const afterwards = livedOnce({
  histories: historyArbitrary,
  live: (history) => live(history),
  runs: runsPerProperty,
});

type Of<Type extends PipelineEvent['type']> = Extract<PipelineEvent, { type: Type }>;

/** Definitions by revision, as events put them in force. */
function definitionsOf(world: World) {
  const definitions = new Map<number, PipelineDefinition>();
  for (const event of world.story.events) {
    if (event.type === 'PipelineDefined') definitions.set(event.revision, event.definition);
  }
  return (revision: number, stage: string): StageDefinition | undefined =>
    definitions.get(revision)?.stages.find(({ name }) => name === stage);
}

/** Votes that stand for the newest request of a release in a stage, by what the events say. */
function createBallot() {
  const requests = new Map<
    string,
    { id: string; votes: Map<string, readonly string[]>; closed: boolean }
  >();
  const see = (event: PipelineEvent): void => {
    if (!('requestId' in event)) return;
    const key = `${event.stage}/${event.release}`;
    if (event.type === 'ApprovalRequested') {
      requests.set(key, { id: event.requestId, votes: new Map(), closed: false });
      return;
    }
    const request = requests.get(key);
    if (request?.id !== event.requestId) return;
    if (event.type === 'ApprovalGiven') request.votes.set(event.by.subject, event.by.groups);
    else if (event.type === 'ApprovalWithdrawn') request.votes.delete(event.by.subject);
    else request.closed = true;
  };
  return { see, of: (stage: string, release: string) => requests.get(`${stage}/${release}`) };
}

test('property 1, gate soundness: what is admitted had every gate open for exactly that release, or a bypass that its stage allows', () =>
  afterwards((world) => {
    const stageOf = definitionsOf(world);
    const ballot = createBallot();
    const entered = new Set<string>();
    const requested = new Map<string, Of<'PromotionRequested'>>();
    for (const { event, statuses } of world.recorded) {
      ballot.see(event);
      if (event.type === 'PromotionRequested')
        requested.set(`${event.stage}/${event.release}`, event);
      if (event.type === 'RolloutStarted') entered.add(event.rolloutId);
      if (event.type === 'TargetAssigned' && event.cause === 'rollout') {
        expect(entered).toContain(event.rolloutId);
      }
      if (event.type !== 'ReleaseAdmitted' && event.type !== 'StagePassed') continue;
      const { stage, release, gates } = event;
      const definition = stageOf(event.definitionRevision, stage);
      expect(definition).toBeDefined();
      if (event.type === 'StagePassed' && event.reason === 'backfill') continue;
      for (const gate of gates) {
        if (gate.passed) continue;
        expect(gate.bypassed).toBeDefined();
        const request = requested.get(`${stage}/${release}`);
        if (gate.gate === 'freeze' || gate.gate === 'window') {
          expect(request?.override ?? request?.hotfix).toBeDefined();
        } else {
          expect(request?.hotfix?.bypass).toContain(gate.gate);
          expect(definition?.hotfix?.mayBypass).toContain(gate.gate);
        }
      }
      const isBypassed = (name: string) =>
        gates.some(({ gate, bypassed }) => gate === name && bypassed !== undefined);
      const { approvals } = definition?.gates ?? {};
      if (approvals !== undefined && !isBypassed('approval')) {
        const request = ballot.of(stage, release);
        const counted = [...(request?.votes ?? [])].filter(
          ([subject, groups]) =>
            groups.includes('managers') && !(approvals.excludeAuthor && subject === 'author'),
        );
        expect(request?.closed).toBe(false);
        expect(counted.length).toBeGreaterThanOrEqual(approvals.required);
      }
      for (const name of isBypassed('status') ? [] : (definition?.gates.statuses ?? [])) {
        const said = statuses.find((one) => one.commit === release && one.name === name);
        expect(said?.state).toBe('success');
      }
    }
  }));

test('property 2, order: nothing reaches a stage before the stages it needs have it, or a bypass of the order is on record', () =>
  afterwards((world) => {
    const stageOf = definitionsOf(world);
    const succeeded = new Set<string>();
    for (const { event } of world.recorded) {
      if (event.type === 'RolloutSucceeded') succeeded.add(`${event.stage}/${event.release}`);
      if (event.type === 'ReleaseAdmitted' || event.type === 'StagePassed') {
        const { after = [], afterMode } = stageOf(event.definitionRevision, event.stage) ?? {};
        const bypassed = event.gates.some(({ gate, bypassed: by }) => gate === 'order' && by);
        const has = after.filter((before) => succeeded.has(`${before}/${event.release}`));
        const enough = afterMode === 'any' ? Math.min(1, after.length) : after.length;
        const backfilled = event.type === 'StagePassed' && event.reason === 'backfill';
        if (!bypassed && !backfilled) expect(has.length).toBeGreaterThanOrEqual(enough);
      }
      if (event.type === 'StagePassed') succeeded.add(`${event.stage}/${event.release}`);
    }
  }));

test('property 3, single writer: at most one rollout runs in a stage', () =>
  afterwards((world) => {
    const running = new Map<string, string>();
    for (const { event } of world.recorded) {
      if (event.type === 'RolloutStarted') {
        expect(running.get(event.stage)).toBeUndefined();
        running.set(event.stage, event.rolloutId);
      } else if (isEnd(event)) {
        expect(running.get(event.stage)).toBe(event.rolloutId);
        running.delete(event.stage);
      }
    }
  }));

const isEnd = (
  event: PipelineEvent,
): event is Of<'RolloutSucceeded'> | Of<'RolloutFailed'> | Of<'RolloutAborted'> =>
  ['RolloutSucceeded', 'RolloutFailed', 'RolloutAborted'].includes(event.type);

const covers = ({ scope }: Freeze, stage: string): boolean =>
  scope.kind !== 'stage' || scope.stage === stage;

test('property 4, freeze safety: nothing is assigned in a freeze without an override', () =>
  afterwards((world) => {
    const overridden = new Set<string>();
    for (const { event, freezes } of world.recorded) {
      if (event.type === 'RolloutStarted' && event.override) overridden.add(event.rolloutId);
      if (event.type !== 'TargetAssigned') continue;
      const inForce = freezes.filter((freeze) => covers(freeze, event.stage));
      if (!overridden.has(event.rolloutId ?? '')) expect(inForce).toEqual([]);
    }
  }));

test('property 5, evidence freshness: a target succeeds by a report about its generation and commit, received after it was assigned', () =>
  afterwards((world) => {
    const assigned = new Map<string, Of<'TargetAssigned'>>();
    for (const { event } of world.recorded) {
      if (event.type === 'TargetAssigned') assigned.set(`${event.stage}/${event.cluster}`, event);
      if (event.type !== 'TargetSucceeded') continue;
      const target = assigned.get(`${event.stage}/${event.cluster}`);
      expect(event.evidence.generation).toBe(target?.generation);
      expect(event.evidence.commit).toBe(target?.release);
      expect(event.evidence.receivedAt).toBeGreaterThanOrEqual(
        target?.at ?? Number.POSITIVE_INFINITY,
      );
    }
  }));

/** Faults end: everybody is there and healthy, nobody stands in the way, people say yes, CI says success. */
function calm(world: World): void {
  const { story, freezes } = world;
  freezes.clear();
  story.surround({ freezes: [] });
  for (const cluster of story.snapshot().clusters) {
    const labels = { ...cluster.labels };
    story.cluster(cluster.id, labels.environment ?? 'none', { labels, status: 'connected' });
  }
  for (const { name: stage } of world.definition().stages) {
    send(world, { type: 'abort-rollout', stage, reason: 'end' });
    send(world, { type: 'resume-stage', stage, reason: 'end' });
  }
  push(world);
}

/** People and CI say yes to whatever waits: a release that keeps its place keeps it until somebody has decided on it. */
function agree(world: World): void {
  const { story } = world;
  for (const { commit, orphaned } of story.state.releases) {
    if (orphaned) continue;
    const said = { name: 'load-test', state: 'success' as const, description: '' };
    world.statuses.set(commit, { commit, ...said, receivedAt: story.now });
  }
  story.surround({ statuses: [...world.statuses.values()] });
  for (const { name: stage, promote } of world.definition().stages) {
    const release = explain(story.state, stage, story.snapshot())?.candidate?.commit;
    if (release === undefined) continue;
    for (const by of people.slice(1, 3)) {
      const [newId] = story.newIds();
      if (newId === undefined) continue;
      send(world, { type: 'approve', stage, release, by, comment: '', at: story.now, newId });
    }
    if (promote === 'manual') send(world, story.promote(stage));
  }
}

test('property 6, convergence: when the faults end and the head stands still, every target runs the head', () =>
  fc.assert(
    fc.property(historyArbitrary, (history) => {
      const world = live(history);
      calm(world);
      for (let round = 0; round < 30; round++) {
        agree(world);
        advance(world);
        for (const { name } of world.definition().stages) settle(world, name);
        advance(world);
        world.story.pass(5 * minuteMs);
        advance(world);
      }
      const release = head(world);
      for (const stage of world.definition().stages) {
        if (stage.clusters === undefined) continue;
        const members = world.story
          .snapshot()
          .clusters.filter(({ labels }) => labels.environment === stage.name);
        // A stage that nobody belongs to takes nothing, and what comes only after it waits for somebody to join.
        if (members.length === 0) return;
        const runs = members.map(({ id }) => world.story.target(stage.name, id)?.release);
        const why = explain(world.story.state, stage.name, world.story.snapshot())?.summary;
        expect(new Set(runs), `${stage.name}: ${why}`).toEqual(new Set([release]));
      }
      expect(advance(world)).toEqual([]);
    }),
    { numRuns: runsPerProperty },
  ));

test('property 7, idempotence: a second look decides nothing, at every point, and any prefix folds on to the same state', () =>
  fc.assert(
    fc.property(historyArbitrary, (history) => {
      const world = live(history, (now) => expect(advance(now)).toEqual([]));
      const { story } = world;
      const cut = Math.floor(story.events.length / 2);
      const prefix = story.events.slice(0, cut).reduce(evolvePipeline, initialPipelineState);
      const whole = story.events.slice(cut).reduce(evolvePipeline, prefix);
      expect(whole).toEqual(story.anyState);
      const command: PipelineCommand = {
        type: 'advance',
        snapshot: story.snapshot(),
        newIds: story.newIds(),
      };
      expect(decidePipeline(whole, command)).toEqual({ ok: true, value: [] });
    }),
    { numRuns: runsPerProperty },
  ));

test('property 9, no oscillation: without a person, a release enters a stage at most once', () =>
  fc.assert(
    fc.property(historyArbitrary, ({ definition, actions }) => {
      const words = ['promotes', 'roll', 'resume', 'force-push', 'abort', 'define'];
      const alone = actions.filter(({ name }) => !words.some((word) => name.includes(word)));
      const world = live({ definition, actions: alone });
      const entries = world.recorded.flatMap(({ event }) =>
        event.type === 'RolloutStarted' && event.kind === 'promotion'
          ? [`${event.stage}/${event.release}`]
          : [],
      );
      expect(new Set(entries).size).toBe(entries.length);
    }),
    { numRuns: runsPerProperty },
  ));

test('property 10, coverage: the batches of a rollout hold every cluster of the stage exactly once', () =>
  afterwards((world) => {
    for (const { event, members } of world.recorded) {
      if (event.type !== 'RolloutStarted') continue;
      const planned = event.batches.flat().map(({ cluster }) => cluster as string);
      expect(new Set(planned).size).toBe(planned.length);
      for (const batch of event.batches) expect(batch.length).toBeGreaterThan(0);
      if (event.kind === 'automatic-rollback') continue;
      expect(new Set(planned)).toEqual(members.get(event.stage));
    }
  }));

test('property 11, monotone audit: generations only grow, and every end is written once', () =>
  afterwards((world) => {
    const ended = new Set<string>();
    const newest = new Map<string, number>();
    for (const { event } of world.recorded) {
      const key =
        isEnd(event) || event.type === 'BatchStarted'
          ? `${event.rolloutId}/${event.type === 'BatchStarted' ? event.batch : 'end'}`
          : event.type === 'TargetSucceeded' ||
              event.type === 'TargetFailed' ||
              event.type === 'TargetSkipped'
            ? `${event.rolloutId}/${event.cluster}`
            : undefined;
      if (key !== undefined) {
        expect(ended).not.toContain(key);
        ended.add(key);
      }
      if (event.type !== 'TargetAssigned' && event.type !== 'TargetWithdrawn') continue;
      const target = `${event.stage}/${event.cluster}`;
      expect(event.generation).toBeGreaterThan(newest.get(target) ?? 0);
      newest.set(target, event.generation);
    }
  }));

test('nothing waits unexplained: at every point each stage says something, and the next look is never in the past', () =>
  fc.assert(
    fc.property(historyArbitrary, (history) => {
      live(history, ({ story, definition }) => {
        for (const { name } of definition().stages) {
          expect(explain(story.state, name, story.snapshot())?.summary).toMatch(/\S/);
        }
        const wakeAt = nextWakeAt(story.state, story.snapshot());
        expect(wakeAt ?? Number.POSITIVE_INFINITY).toBeGreaterThan(story.now);
      });
    }),
    { numRuns: 60 },
  ));

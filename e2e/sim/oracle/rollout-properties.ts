import type { Snapshot } from '../../../hub/src/domain/promotion/index.ts';
import { isRollback } from './admission-properties.ts';
import { type EventOf, type Facts, pipelineEvent } from './facts.ts';
import type { Property } from './property.ts';
import type { RolloutFacts } from './stage-facts.ts';

const name = (commit: string) => commit.slice(0, 6);
const list = (items: Iterable<string>) => [...items].sort().join(', ') || 'none';

const singleWriter: Property = {
  name: 'single writer',
  meaning: 'At most one rollout runs in a stage.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'RolloutStarted') return;
    const running = facts.stage(event.stage).running();
    if (running) fail(`${event.rolloutId} starts in ${event.stage} while ${running.id} runs`);
  },
};

const interruption: Property = {
  name: 'interruption by policy',
  meaning:
    'A rollout is ended for a newer release only where the stage says so, and never what a person has begun or paused.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'RolloutAborted' || !event.reason.startsWith('superseded by')) return;
    const running = facts.stage(event.stage).running();
    const stage = facts.definition()?.stages.find(({ name }) => name === event.stage);
    if (!stage?.supersede?.interrupt) return fail(`${event.stage} interrupts ${event.rolloutId}`);
    if (running?.kind !== 'promotion') fail(`${event.rolloutId} is a ${running?.kind}`);
    if (running?.pausedAt !== undefined) fail(`${event.rolloutId} is paused`);
  },
};

const oneEnd: Property = {
  name: 'one terminal state',
  meaning: 'A rollout ends once, and only the one that runs.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (!event || !isEnd(event)) return;
    const { running, endOf } = facts.stage(event.stage);
    const before = endOf(event.rolloutId);
    if (before) return fail(`${event.rolloutId} had ${before} and now is ${event.type}`);
    if (running()?.id !== event.rolloutId)
      fail(`${event.rolloutId} does not run and is ${event.type}`);
  },
};

type EndEvent = EventOf<'RolloutSucceeded'> | EventOf<'RolloutFailed'> | EventOf<'RolloutAborted'>;
const isEnd = (event: { type: string }): event is EndEvent =>
  ['RolloutSucceeded', 'RolloutFailed', 'RolloutAborted'].includes(event.type);

/** Clusters of the stage, by its selector and what the hub knew then. */
function matching(facts: Facts, stage: string, { clusters }: Snapshot): string[] {
  const selector = facts.definition()?.stages.find((one) => one.name === stage)?.clusters;
  if (!selector) return [];
  return clusters
    .filter(({ status }) => status !== 'pending' && status !== 'revoked')
    .filter(({ labels }) =>
      Object.entries(selector.matchLabels).every(([key, value]) => labels[key] === value),
    )
    .map(({ id }) => id);
}

/** The stage as the rollout takes it: by the definition that it started with. */
const stageOf = (facts: Facts, stage: string, { revision }: { revision?: number | undefined }) =>
  facts.definition(revision)?.stages.find((one) => one.name === stage);

const coverage: Property = {
  name: 'coverage of batches',
  meaning:
    'The batches of a rollout hold every cluster of the stage exactly once, and no other; a return holds only what the ' +
    'rollout before it had reached.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'RolloutStarted') return;
    const planned = event.batches.flat().map(({ cluster }) => cluster as string);
    if (new Set(planned).size !== planned.length) {
      return fail(`a cluster is planned twice: ${planned}`);
    }
    if (event.batches.length > 1 && event.batches.some((batch) => batch.length === 0)) {
      return fail(`${event.rolloutId} has an empty batch`);
    }
    if (event.undoes !== undefined) {
      const { targets } = facts.stage(event.stage);
      const strange = planned.filter((one) => targets().get(one)?.rolloutId !== event.undoes);
      if (strange.length > 0) fail(`${list(strange)} was not reached by ${event.undoes}`);
      return;
    }
    const snapshots = facts.snapshotsAt(event.at);
    if (snapshots.length === 0) return fail(`no snapshot was taken at ${event.at}`);
    const fits = snapshots.some(
      (snapshot) => list(matching(facts, event.stage, snapshot)) === list(planned),
    );
    const wanted = matching(facts, event.stage, snapshots.at(-1) as Snapshot);
    if (!fits) fail(`${event.stage} has ${list(wanted)} and plans ${list(planned)}`);
  },
};

const waves: Property = {
  name: 'waves follow each other',
  meaning:
    'The next batch starts when each target of those before it has succeeded, failed or was skipped.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'BatchStarted') return;
    const running = facts.stage(event.stage).running();
    if (running?.id !== event.rolloutId) return fail(`${event.rolloutId} does not run`);
    if (running.pausedAt !== undefined) return fail(`${event.rolloutId} is paused`);
    if (event.batch <= running.batch) return fail(`batch ${event.batch} started before`);
    const open = running.batches
      .slice(0, event.batch)
      .flat()
      .filter((cluster) => !running.left.has(cluster) && !isDone(running, cluster));
    if (open.length > 0) fail(`batch ${event.batch} starts while ${list(open)} is open`);
  },
};

const isDone = ({ succeeded, failed, skipped }: RolloutFacts, cluster: string): boolean =>
  succeeded.has(cluster) || failed.has(cluster) || skipped.has(cluster);

const success: Property = {
  name: 'success is of all targets',
  meaning:
    'A rollout succeeds when each planned target that did not leave was assigned and proved healthy, but for as many ' +
    'failures as its policy bears, and for those that could not be reached where the policy goes on without them.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'RolloutSucceeded') return;
    const running = facts.stage(event.stage).running();
    if (!running) return fail(`${event.rolloutId} does not run`);
    const staying = [...running.planned.keys()].filter((cluster) => !running.left.has(cluster));
    const open = staying.filter((cluster) => !isDone(running, cluster));
    if (open.length > 0) fail(`${event.rolloutId} succeeds while ${list(open)} is open`);
    const proven = staying.filter((one) => running.succeeded.has(one) && running.assigned.has(one));
    if (proven.length === 0) fail(`${event.rolloutId} succeeds without any target`);
    const policy = stageOf(facts, event.stage, running)?.rollout;
    const failed = staying.filter((cluster) => running.failed.has(cluster));
    const { maxFailures = { count: 0 }, offline = 'wait' } = policy ?? {};
    const borne =
      'count' in maxFailures
        ? maxFailures.count
        : Math.floor((maxFailures.percent * staying.length) / 100);
    if (failed.length > borne) fail(`${list(failed)} failed, and ${borne} may`);
    const skipped = staying.filter((cluster) => running.skipped.has(cluster));
    if (skipped.length > 0 && offline !== 'skip-and-catch-up') fail(`${list(skipped)} was skipped`);
  },
};

const concurrency: Property = {
  name: 'targets under way are bounded',
  meaning: 'No more targets are under way at once than the policy of the rollout allows.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'TargetAssigned' || event.cause !== 'rollout') return;
    const running = facts.stage(event.stage).running();
    const { maxConcurrent } = (running && stageOf(facts, event.stage, running)?.rollout) ?? {};
    if (!running || !maxConcurrent || isRollback(running) || !('count' in maxConcurrent)) return;
    const underWay = [...running.assigned].filter(
      (cluster) => !running.left.has(cluster) && !isDone(running, cluster),
    );
    if (underWay.length >= Math.max(1, maxConcurrent.count)) {
      fail(`${event.clusterName} is assigned while ${list(underWay)} is under way`);
    }
  },
};

const assignments: Property = {
  name: 'assignments come of rollouts',
  meaning:
    'A target is assigned by the rollout that runs and plans it, in a batch that has started, once, with its release; ' +
    'outside of one it gets the last release that succeeded in its stage, or again what it has or had.',
  watch: (facts, fail) => {
    const had = new Map<string, Set<string>>();
    return (observation) => {
      const event = pipelineEvent(observation);
      if (event?.type !== 'TargetAssigned') return;
      const key = `${event.stage}/${event.cluster}`;
      const fault = assignmentFault(facts, event, had.get(key) ?? new Set());
      if (fault) fail(`${event.stage} assigns ${event.clusterName}: ${fault}`);
      had.set(key, new Set(had.get(key)).add(event.release));
    };
  },
};

function assignmentFault(
  facts: Facts,
  event: EventOf<'TargetAssigned'>,
  had: ReadonlySet<string>,
): string | undefined {
  const { running, current, targets } = facts.stage(event.stage);
  const { cluster, release, cause, rolloutId, generation } = event;
  const rollout = running();
  switch (cause as string) {
    case 'rollout': {
      if (rollout?.id !== rolloutId) return `rollout ${rolloutId} does not run`;
      if (!rollout?.planned.has(cluster)) return 'the rollout does not plan it';
      if (rollout.pausedAt !== undefined) return 'the rollout is paused';
      const batch = rollout.batches.findIndex((clusters) => clusters.includes(cluster));
      if (batch > rollout.batch) return `its batch ${batch} has not started`;
      if (rollout.left.has(cluster)) return 'it has left the stage';
      if (rollout.assigned.has(cluster)) return 'the rollout has assigned it before';
      if (release !== rollout.planned.get(cluster)) return `${name(release)} is not planned for it`;
      if (generation < rollout.generation) return `generation ${generation} is not the rollout's`;
      return undefined;
    }
    case 'late-join': {
      const last = current();
      if (release === last) return undefined;
      return `it joins late and gets ${name(release)}, ${name(last ?? 'nothing')} succeeded last`;
    }
    case 'not-reached':
      return had.has(release) ? undefined : `it never had ${name(release)}`;
    default: {
      const held = targets().get(cluster)?.release;
      if (held === undefined) return 'it was assigned nothing before';
      return release === held ? undefined : `${name(release)} is not what it has`;
    }
  }
}

const membership: Property = {
  name: 'only members are assigned',
  meaning:
    'Nobody outside of a stage is assigned by it: not after a withdrawal, and not without the labels.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'TargetAssigned') return;
    const { running, withdrawalHeld, targets } = facts.stage(event.stage);
    // A withdrawal that waits for a person keeps its targets as they are, and so does the plan that runs.
    if (withdrawalHeld().has(event.cluster) && targets().has(event.cluster)) return;
    if (running()?.planned.has(event.cluster)) return;
    if (event.cause === 'prune-confirmed' && targets().has(event.cluster)) return;
    const isMember = facts
      .snapshotsAt(event.at)
      .some((snapshot) => matching(facts, event.stage, snapshot).includes(event.cluster));
    if (!isMember) fail(`${event.clusterName} is no member of ${event.stage} and is assigned`);
  },
};

const generations: Property = {
  name: 'generations grow',
  meaning: 'Whatever a target is told has a newer generation than all that it was told before.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type === 'RolloutStarted' && event.generation <= facts.newestGeneration()) {
      return fail(
        `rollout ${event.rolloutId} has generation ${event.generation}, which was given before`,
      );
    }
    if (event?.type !== 'TargetAssigned' && event?.type !== 'TargetWithdrawn') return;
    const before = facts.stage(event.stage).generationOf(event.cluster);
    if (event.generation > before) return;
    fail(
      `${event.clusterName} gets generation ${event.generation} in ${event.stage} after ${before}`,
    );
  },
};

const evidence: Property = {
  name: 'evidence freshness',
  meaning:
    'A target counts only by a report that the hub received after the assignment, with the generation and commit of the ' +
    'assignment, and that says so itself.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'TargetSucceeded' && event?.type !== 'TargetFailed') return;
    const target = facts.stage(event.stage).targets().get(event.cluster);
    const about = `${event.type} of ${event.clusterName} in ${event.stage}`;
    const { evidence: seen } = event;
    // What could not be assigned at all fails without having said anything.
    if (event.type === 'TargetFailed' && !seen) return;
    if (!target || target.rolloutId !== event.rolloutId) {
      return fail(`${about}: it is not assigned so`);
    }
    if (!seen) return fail(`${about} without evidence`);
    const report = facts
      .reportsSeen()
      .findLast(
        (one) =>
          one.cluster === event.cluster &&
          one.stage === event.stage &&
          one.agentEpoch === seen.agentEpoch &&
          one.sequence === seen.sequence,
      );
    if (!report) return fail(`${about} by a report that never came`);
    if (report.generation !== target.generation) {
      return fail(
        `${about} by a report on generation ${report.generation}, not ${target.generation}`,
      );
    }
    if (report.commit !== target.release)
      return fail(`${about} by a report on ${name(report.commit)}`);
    if (report.receivedAt < target.at)
      return fail(`${about} by a report from before the assignment`);
    const saysSo =
      event.type === 'TargetSucceeded'
        ? report.health === 'healthy' && ['settled', 'prune-held'].includes(report.phase)
        : report.phase === 'failed' || (event as { cause?: string }).cause !== 'reported';
    if (!saysSo) fail(`${about} by a report of ${report.phase}, ${report.health}`);
  },
};

/** Looks of the hub after which a rollout must have ended that was over its deadline at each. */
const looksMax = 12;

const deadline: Property = {
  name: 'deadlines count',
  meaning:
    'A rollout whose targets can be reached and are not complete at the deadline ends, and it fails for the deadline no ' +
    'sooner.',
  watch: (facts, fail) => {
    const overdue = new Map<string, number>();
    return (observation) => {
      if (observation.type === 'snapshot') {
        for (const [stage, { running }] of facts.stages()) {
          const rollout = running();
          if (!rollout) continue;
          const late = overdueMs(facts, stage, rollout, observation.snapshot);
          if (late <= 0) {
            overdue.delete(rollout.id);
            continue;
          }
          const looks = (overdue.get(rollout.id) ?? 0) + 1;
          overdue.set(rollout.id, looks);
          if (looks > looksMax) fail(`${rollout.id} in ${stage} still runs ${late} ms after it`);
        }
      }
      const event = pipelineEvent(observation);
      if (event?.type !== 'RolloutFailed') return;
      if (event.failure.code !== 'progress_deadline_exceeded') return;
      const deadlineAt = facts.stage(event.stage).running()?.deadlineAt ?? 0;
      if ((facts.newestSnapshot()?.at ?? 0) < deadlineAt) {
        fail(`${event.rolloutId} fails before its deadline`);
      }
    };
  },
};

/** How long the rollout is over its time, with a whole period for what was assigned or came back meanwhile. */
function overdueMs(
  facts: Facts,
  stage: string,
  rollout: RolloutFacts,
  { at, clusters }: Snapshot,
): number {
  if (rollout.pausedAt !== undefined) return 0;
  const { progressDeadlineMs = 0, offline } = stageOf(facts, stage, rollout)?.rollout ?? {};
  const { targets } = facts.stage(stage);
  const open = [...rollout.planned.keys()].filter(
    (cluster) => !rollout.left.has(cluster) && !isDone(rollout, cluster),
  );
  const dues = open.map((cluster) => {
    const seen = clusters.find(({ id }) => id === cluster) as
      | { status: string; statusSince?: number }
      | undefined;
    if (offline === 'wait' && seen?.status !== 'connected') return Number.POSITIVE_INFINITY;
    const since = Math.max(targets().get(cluster)?.at ?? 0, seen?.statusSince ?? 0);
    return rollout.assigned.has(cluster) ? since + progressDeadlineMs : Number.POSITIVE_INFINITY;
  });
  return at - Math.max(rollout.deadlineAt, ...dues);
}

const automaticRollback: Property = {
  name: 'one automatic rollback',
  meaning:
    'By itself a release is rolled back at most once in a stage, and only after it failed there.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'RolloutStarted' || event.kind !== 'automatic-rollback') return;
    const { last, undoneOf } = facts.stage(event.stage);
    const undone = last();
    if (undone?.outcome !== 'failed' || undone.id !== event.undoes) {
      return fail(`${event.stage} undoes ${event.undoes}, which did not fail last`);
    }
    if (isRollback(undone)) fail(`${event.stage} undoes a rollback by itself`);
    if (undoneOf(undone.release) > 0) fail(`${name(undone.release)} was rolled back before`);
  },
};

const idempotence: Property = {
  name: 'idempotence',
  meaning: 'A decision that is asked for again on the same snapshot decides nothing new.',
  watch: (_, fail) => (observation) => {
    if (observation.type !== 'repeated') return;
    fail(`a second advance decided ${observation.events.map(({ type }) => type).join(', ')}`);
  },
};

const freezeSafety: Property = {
  name: 'freeze safety',
  meaning:
    'Nothing is assigned in a freeze that covers the stage, but by a rollout for which somebody with the right set aside ' +
    'exactly the freezes that were declared before.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'TargetAssigned') return;
    const running = facts.stage(event.stage).running();
    const override = event.rolloutId === running?.id ? running?.override : undefined;
    const broken = facts.freezes
      .inForce(event.stage, event.at)
      .filter(({ declaredAt }) => !override || declaredAt > (override.at ?? declaredAt));
    if (broken.length === 0) return;
    fail(
      `${event.clusterName} is assigned in ${event.stage} (${event.cause}) in a freeze of ${broken[0]?.scope.kind}`,
    );
  },
};

const holdAfterRollback: Property = {
  name: 'a rollback holds its stage',
  meaning:
    'A stage that goes back is held, so that what was left behind does not return by itself.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'RolloutStarted' || event.kind !== 'rollback') return;
    if (event.undoes !== undefined) return;
    if (!facts.stage(event.stage).hold()) fail(`${event.stage} goes back and is not held`);
  },
};

export const rolloutProperties: readonly Property[] = [
  singleWriter,
  interruption,
  oneEnd,
  coverage,
  waves,
  concurrency,
  success,
  assignments,
  membership,
  generations,
  evidence,
  deadline,
  automaticRollback,
  idempotence,
  freezeSafety,
  holdAfterRollback,
];

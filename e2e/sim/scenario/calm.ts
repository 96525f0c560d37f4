import type { CommitId, NewId } from '@fairlead/shared/ids';
import type { PipelineCommand } from '../../../hub/src/domain/promotion/index.ts';
import { unsettled } from '../oracle/end-properties.ts';
import type { Facts } from '../oracle/facts.ts';
import { pipelineName } from '../parts/hub.ts';
import type { World } from '../parts/world.ts';
import { personOf } from './people.ts';
import { confirmAll, reportStatus, unfreezeAll, vote } from './perform.ts';

const person = { kind: 'person', name: 'ada' } as const;
const lookMs = 10_000;
/** Everything that was down is up again after this time: only then the last commit is pushed. */
const restMs = 45_000;
const minuteMs = 60_000;

/** How long the way of the last commit may take: each stage may have to wait for a deadline, a soak and a sweep. */
export const settlingMsMax = (stages: number): number => restMs + (5 + stages * 8) * minuteMs;

/**
 * Ends every fault, pushes a good commit and does what people would do so that it may go all the way. The answer says
 * whether all is settled.
 */
export function settleDown(world: World, facts: Facts): () => boolean {
  let isSettled = false;
  world.network.calm();
  world.hubClock.setRight();
  world.spareHub();
  world.hub()?.beforeAssignment(undefined);
  unfreezeAll(world);
  for (const host of world.hosts.values()) {
    host.clock.setRight();
    host.cluster.restoreApi();
    host.spare();
  }
  const resumed = new Set<string>();
  world.time.after(restMs, () => {
    world.repository.push('good', [1, 3]);
    world.hub()?.lookAtRepository();
    look();
  });
  const look = () => {
    isSettled = unsettled(world, facts) === undefined;
    if (isSettled) return;
    confirmAll(world);
    help(world, facts, resumed);
    world.time.after(lookMs, look);
  };
  return () => isSettled;
}

/** Does once for each stage what people would do so that the head may come, and asks for it where it must be asked for. */
function help(world: World, facts: Facts, resumed: Set<string>): void {
  const head = world.repository.branch().at(-1)?.id;
  const hub = world.hub();
  if (!hub || !head) return;
  const reason = 'the trouble is over';
  const at = world.hubClock.now();
  const give = (command: PipelineCommand) =>
    void hub.commands.pipeline(pipelineName, command, person);
  for (const definition of facts.definition()?.stages ?? []) {
    const { name: stage, promote, gates } = definition;
    const { hold, running, request, approvals, pinned } = facts.stage(stage);
    if (hold() && !resumed.has(stage)) {
      resumed.add(stage);
      give({ type: 'resume-stage', stage, reason });
    }
    if (running()?.pausedAt !== undefined) give({ type: 'continue-rollout', stage, reason, at });
    const asked = approvals.of(head);
    const wish = request()?.release;
    // What somebody asked for before goes first until somebody asks for the head.
    const mustAsk = wish !== head && (promote === 'manual' || wish !== undefined);
    if (mustAsk || asked?.status === 'over') {
      const by = personOf('bob');
      const newId = world.hubIds() as NewId;
      give({ type: 'promote', stage, force: false, at, release: head, by, newId });
    }
    // What keeps its place goes first, and needs the same.
    for (const release of new Set([head, (pinned() ?? head) as CommitId])) {
      const open = approvals.of(release);
      for (const by of open?.status === 'open' ? (['bob', 'cyn'] as const) : []) {
        if (!open?.votes.has(by)) vote(world, { type: 'approve', stage, release, by });
      }
      if ((gates.statuses ?? []).length > 0) reportStatus(world, release, 'success');
    }
  }
}

import { createOracle } from './oracle/oracle.ts';
import type { Violation } from './oracle/property.ts';
import { createWorld, type World } from './parts/world.ts';
import { settleDown, settlingMsMax } from './scenario/calm.ts';
import { addCluster, define, perform } from './scenario/perform.ts';
import { actionText, type Scenario } from './scenario/scenario.ts';
import { createTrace } from './world/trace.ts';
import { createVirtualTime, replaceTimers, type VirtualTime } from './world/virtual-time.ts';

export type Run = {
  readonly seed: string;
  readonly hash: string;
  readonly violation?: Violation;
  readonly lines: readonly string[];
  readonly events: number;
  readonly entries: number;
};

const finishMsMax = 60_000;

let current: VirtualTime = createVirtualTime();
replaceTimers(() => current);

/** Runs one scenario: first with everything that goes wrong, then in calm until all is as it must be in the end. */
export async function simulate(scenario: Scenario): Promise<Run> {
  const time = createVirtualTime();
  current = time;
  const trace = createTrace(time.nowMs);
  const oracle = createOracle({ time, trace, world: () => world });
  const world: World = createWorld({ scenario, time, trace, observe: oracle.observe });
  world.startHub();
  define(world, scenario.stages);
  for (const cluster of scenario.clusters) addCluster(world, cluster);
  for (const action of scenario.actions) {
    time.after(action.atMs, () => {
      trace.say(`> ${actionText(action)}`);
      perform(world, action);
    });
  }

  const live = async (untilMs: number, isOver: () => boolean = () => false) => {
    while (!oracle.violation() && !isOver() && (await time.step(untilMs)));
  };
  await live(scenario.calmAtMs);
  if (!oracle.violation()) {
    trace.say('> the faults end');
    const isSettled = settleDown(world, oracle.facts);
    await live(scenario.calmAtMs + settlingMsMax(scenario.stages.length), isSettled);
    if (!oracle.violation()) {
      let isFinished = false;
      // It asks the hub, whose answers need time like all others.
      const finished = oracle.finish(world).finally(() => {
        isFinished = true;
      });
      await live(time.nowMs() + finishMsMax, () => isFinished);
      if (isFinished) await finished;
    }
  }
  end(world);
  return {
    seed: scenario.seed,
    hash: trace.hash(),
    violation: oracle.violation(),
    lines: trace.lines(),
    events: time.eventsRun(),
    entries: world.logDisk.rows().length,
  };
}

/** What still waits must not go on in the time of the next run. */
function end(world: World): void {
  world.hub()?.process.end();
  for (const host of world.hosts.values())
    host.crash({ boundaries: 0, downMs: 0, losesPower: false });
}

import type { Run } from '../simulate.ts';
import { calmNetwork } from '../world/network.ts';
import type { Scenario } from './scenario.ts';

const runsMax = 400;

/**
 * Looks for a shorter story with the same broken property: without parts of its actions, without network faults, with
 * fewer clusters and an earlier end of the faults. Each try is a whole run, so their number is bounded.
 */
export async function shrink(
  failing: Scenario,
  run: (scenario: Scenario) => Promise<Run>,
): Promise<{ scenario: Scenario; run: Run; runs: number }> {
  let best = { scenario: failing, run: await run(failing) };
  let runs = 1;
  const property = best.run.violation?.property;
  const tryWith = async (scenario: Scenario): Promise<boolean> => {
    if (runs >= runsMax) return false;
    runs++;
    const outcome = await run(scenario);
    if (outcome.violation?.property !== property) return false;
    best = { scenario, run: outcome };
    return true;
  };
  for (let before = -1; before !== size(best.scenario) && runs < runsMax; ) {
    before = size(best.scenario);
    await withoutActions(() => best.scenario, tryWith);
    await tryWith({ ...best.scenario, network: calmNetwork });
    for (const { name } of best.scenario.clusters) {
      const clusters = best.scenario.clusters.filter((cluster) => cluster.name !== name);
      await tryWith({ ...best.scenario, clusters });
    }
    const last = best.scenario.stages.at(-1)?.name;
    if (best.scenario.stages.length > 1) {
      await tryWith({ ...best.scenario, stages: best.scenario.stages.slice(0, -1) });
      await tryWith({
        ...best.scenario,
        stages: best.scenario.stages.slice(0, -1),
        clusters: best.scenario.clusters.filter(({ stage }) => stage !== last),
      });
    }
    const endsAtMs = best.run.violation?.atMs ?? 0;
    if (endsAtMs + 1_000 < best.scenario.calmAtMs) {
      const actions = best.scenario.actions.filter(({ atMs }) => atMs <= endsAtMs);
      await tryWith({ ...best.scenario, actions });
    }
  }
  return { ...best, runs };
}

const size = ({ actions, clusters, stages, network }: Scenario): number =>
  actions.length +
  clusters.length +
  stages.length +
  (network.loss + network.late + network.stray > 0 ? 1 : 0);

/** Halves, quarters, and so on down to single actions. */
async function withoutActions(
  current: () => Scenario,
  tryWith: (scenario: Scenario) => Promise<boolean>,
): Promise<void> {
  let chunk = Math.ceil(current().actions.length / 2);
  while (chunk >= 1) {
    for (let start = 0; start < current().actions.length; ) {
      const { actions } = current();
      const fewer = [...actions.slice(0, start), ...actions.slice(start + chunk)];
      if (!(await tryWith({ ...current(), actions: fewer }))) start += chunk;
    }
    if (chunk === 1) return;
    chunk = Math.ceil(chunk / 2);
  }
}

import { judgeSamples } from '../metric/judge.ts';
import { newestAnalysis } from '../metric/steps.ts';
import { short } from '../state.ts';
import type { Gate } from './gate.ts';

/** What the metrics say of the release is good. */
export const metricGate: Gate = ({ state, stage, release, at, fleet }) => {
  const { metrics } = stage.gates;
  if (metrics.length === 0) return undefined;
  const name = short(release.commit);
  const evidence: Record<string, string | number> = {};
  const faults: string[] = [];
  const clears: number[] = [];
  let isOpen = true;
  for (const rule of metrics) {
    const analysis = newestAnalysis(state, stage, { rule, release: release.commit });
    if (analysis === undefined) {
      isOpen = false;
      faults.push(
        `${rule.name} is not analysed with ${name} yet: it starts when the stages before are healthy with it.`,
      );
      continue;
    }
    const { runId, ended, startedAt, startedMs } = analysis;
    evidence[rule.name] = `${runId} ${ended?.outcome ?? 'running'}`;
    if (ended?.outcome === 'passed') continue;
    if (ended) {
      isOpen = false;
      const how = ended.outcome === 'failed' ? 'has failed' : 'is inconclusive';
      faults.push(
        `${rule.name} ${how} with ${name}: ${ended.message}. A newer release clears it, or ` +
          `\`fairlead verify ${state.definition.name}/${stage.name} --name ${rule.name}\` analyses it again.`,
      );
      continue;
    }
    const samples = fleet.samples.filter((sample) => sample.runId === runId);
    const { wanted, total, bad, empty } = judgeSamples(rule, samples, fleet.watchedMs - startedMs);
    evidence[`${rule.name}.samples`] = total;
    evidence[`${rule.name}.bad`] = bad;
    const without = empty > 0 ? `, ${empty} without a number` : '';
    faults.push(
      `${rule.name} has ${total} of ${wanted} samples with ${name}, ${bad} bad${without}.`,
    );
    clears.push(startedAt + rule.forMs);
  }
  if (faults.length === 0) {
    const names = metrics.map((rule) => rule.name).join(', ');
    return { passed: true, detail: `Good with ${name}: ${names}.`, evidence };
  }
  const clearsAt = Math.max(...clears);
  const when = isOpen && clearsAt > at ? { clearsAt } : {};
  return { passed: false, detail: faults.join(' '), evidence, ...when };
};

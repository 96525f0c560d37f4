import type { Snapshot, TargetReport } from '../../../hub/src/domain/promotion/index.ts';
import { type Facts, pipelineEvent } from './facts.ts';
import type { Property } from './property.ts';

/** Why the stage cannot be called healthy on any snapshot that the hub took at the time. */
export function healthFault(facts: Facts, stage: string, at: number): string | undefined {
  const faults = facts.snapshotsAt(at).map((snapshot) => faultOn(facts, stage, snapshot));
  if (faults.length === 0) return `no snapshot was taken at ${at}`;
  return faults.every((fault) => fault !== undefined) ? faults.at(-1) : undefined;
}

function faultOn(facts: Facts, stage: string, snapshot: Snapshot): string | undefined {
  const { targets, last } = facts.stage(stage);
  const proven = last()?.undoes === undefined ? (last()?.proven ?? []) : [];
  const staying = proven.filter((cluster) => targets().has(cluster));
  const members = staying.length > 0 ? staying : [...targets().keys()];
  for (const cluster of members) {
    const target = targets().get(cluster);
    if (!target) continue;
    const seen = snapshot.clusters.find(({ id }) => id === cluster);
    if (seen?.status !== 'connected') return `${cluster} is ${seen?.status ?? 'gone'}`;
    const report = reportAbout(snapshot, stage, { ...target, cluster });
    if (!report) return `${cluster} has not reported on generation ${target.generation}`;
    if (report.phase === 'failed') return `${cluster} has failed`;
    if (['degraded', 'missing', 'unknown'].includes(report.health)) {
      return `${cluster} is ${report.health}`;
    }
  }
  return undefined;
}

/** The report that speaks of exactly this assignment and came after it. */
const reportAbout = (
  { reports }: Snapshot,
  stage: string,
  target: { cluster: string; generation: number; release: string; at: number },
): TargetReport | undefined =>
  reports.find(
    (report) =>
      report.stage === stage &&
      report.cluster === target.cluster &&
      report.generation === target.generation &&
      report.commit === target.release &&
      report.receivedAt >= target.at,
  );

export const healthOnRecord: Property = {
  name: 'evidence, health of a stage',
  meaning:
    'A stage is called healthy only when each of its targets reported so about what it is assigned.',
  watch: (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'StageHealthChanged' || event.health !== 'healthy') return;
    const fault = healthFault(facts, event.stage, event.at);
    if (fault) fail(`${event.stage}: ${fault}`);
  },
};

import { assignedOf, createPipelineLife, fleetOf, stageNames } from './fleet-history.ts';
import { percentile } from './percentile.ts';

export type PlanLatency = {
  readonly targetsTotal: number;
  readonly decisions: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

/**
 * The time of one look at a pipeline of five stages that has something to decide: `rollout` while releases go from stage
 * to stage (targets that succeed, a rollout that ends, the next admission and its assignments), `reports` when every
 * target's report is a new one that changes what the stages' health is.
 */
export function planLatency(clustersPerStage: number, releases: number) {
  const clusters = fleetOf(clustersPerStage);
  const life = createPipelineLife('checkout', clusters);
  const times: Record<'rollout' | 'reports', number[]> = { rollout: [], reports: [] };
  life.define();

  const timed = (kind: keyof typeof times) => {
    const command = life.advanceCommand();
    const startedAt = performance.now();
    const events = life.decide(command);
    const tookMs = performance.now() - startedAt;
    if (events.length > 0) times[kind].push(tookMs);
    return life.keep(events);
  };
  const settle = (kind: keyof typeof times) => {
    for (let events = timed(kind); events.length > 0; events = timed(kind)) {
      life.report(assignedOf(events));
    }
  };
  for (let release = 0; release < releases; release++) {
    life.push();
    settle('rollout');
    for (const health of ['degraded', 'healthy'] as const) {
      life.reportAll({ health });
      settle('reports');
    }
  }
  const figuresOf = (samples: number[]): PlanLatency => ({
    targetsTotal: clustersPerStage * stageNames.length,
    decisions: samples.length,
    p50Ms: rounded(percentile(samples, 0.5)),
    p99Ms: rounded(percentile(samples, 0.99)),
  });
  return { rollout: figuresOf(times.rollout), reports: figuresOf(times.reports) };
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

import { assignedOf, createPipelineLife, fleetOf, stageNames } from './fleet-history.ts';
import { percentile } from './percentile.ts';

export type PlanLatency = {
  readonly targetsTotal: number;
  readonly decisions: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of this thread: unlike the clock it hardly changes with what else the machine does. */
  readonly processorP50Ms: number;
};

type Kind = 'rollout' | 'reports';
type Sample = { readonly tookMs: number; readonly processorMs: number };

/**
 * The time of one look at a pipeline of five stages that has something to decide: `rollout` while releases go from stage
 * to stage (targets that succeed, a rollout that ends, the next admission and its assignments), `reports` when every
 * target's report is a new one that changes what the stages' health is.
 */
export function planLatency(clustersPerStage: number, releases: number) {
  const clusters = fleetOf(clustersPerStage);
  const life = createPipelineLife('checkout', clusters);
  const times: Record<Kind, Sample[]> = { rollout: [], reports: [] };
  life.define();

  const timed = (kind: Kind) => {
    const command = life.advanceCommand();
    const startedAt = performance.now();
    const before = process.threadCpuUsage();
    const events = life.decide(command);
    const { user, system } = process.threadCpuUsage(before);
    const tookMs = performance.now() - startedAt;
    if (events.length > 0) times[kind].push({ tookMs, processorMs: (user + system) / 1_000 });
    return life.keep(events);
  };
  const settle = (kind: Kind) => {
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
  const figuresOf = (samples: readonly Sample[]): PlanLatency => {
    const took = samples.map(({ tookMs }) => tookMs);
    const processor = samples.map(({ processorMs }) => processorMs);
    return {
      targetsTotal: clustersPerStage * stageNames.length,
      decisions: samples.length,
      p50Ms: rounded(percentile(took, 0.5)),
      p99Ms: rounded(percentile(took, 0.99)),
      processorP50Ms: rounded(percentile(processor, 0.5)),
    };
  };
  return { rollout: figuresOf(times.rollout), reports: figuresOf(times.reports) };
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

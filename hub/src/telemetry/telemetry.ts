import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export type TelemetrySources = {
  readonly logPosition: () => Promise<number>;
  readonly readModelPosition: () => number;
  readonly clustersByStatus: () => Readonly<Record<string, number>>;
};

export type Telemetry = {
  /** The text of a scrape. */
  readonly scrape: () => Promise<string>;
  /** Counts something that happened; a name is made at its first use. */
  readonly count: (name: CounterName, amount?: number) => void;
};

const counters = {
  fairlead_reports_total: 'Reports of agents taken into the read model.',
  fairlead_audit_events_total: 'Audit events of agents appended to the decision log.',
  fairlead_bus_messages_invalid_total:
    'Messages of agents that could not be read and were skipped.',
  fairlead_bus_stores_lost_total:
    'Times at which the broker came back with less than the hub had seen.',
  fairlead_enrolments_refused_total: 'Enrolments refused.',
  fairlead_repository_polls_total: 'Fetches of repositories.',
  fairlead_repository_polls_failed_total: 'Fetches of repositories that failed.',
} as const;
export type CounterName = keyof typeof counters;

export function createTelemetry(sources: TelemetrySources): Telemetry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const made = new Map(
    Object.entries(counters).map(([name, help]) => [
      name,
      new Counter({ name, help, registers: [registry] }),
    ]),
  );
  new Gauge({
    name: 'fairlead_decision_log_position',
    help: 'Entries in the decision log.',
    registers: [registry],
    async collect() {
      this.set(await sources.logPosition());
    },
  });
  new Gauge({
    name: 'fairlead_read_model_lag',
    help: 'Entries of the decision log that the read model has not folded yet.',
    registers: [registry],
    async collect() {
      this.set((await sources.logPosition()) - sources.readModelPosition());
    },
  });
  new Gauge({
    name: 'fairlead_clusters',
    help: 'Registered clusters by status.',
    labelNames: ['status'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [status, total] of Object.entries(sources.clustersByStatus())) {
        this.set({ status }, total);
      }
    },
  });
  return {
    scrape: () => registry.metrics(),
    count: (name, amount = 1) => made.get(name)?.inc(amount),
  };
}

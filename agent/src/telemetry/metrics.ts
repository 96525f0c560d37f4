import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { AuditEntry } from '../domain/link/index.ts';

export type AgentMetrics = {
  /** Counts what the audit tells: objects applied, pruned and repaired. */
  readonly countAudit: (entry: AuditEntry) => void;
  readonly countRender: (outcome: 'rendered' | 'failed', durationMs: number) => void;
  /** Prometheus' text format, version 0.0.4. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
};

/** What is read when somebody asks for the metrics. */
export type MetricSources = {
  readonly outbox: () => { auditLength: number; reportsPending: number; bytes: number };
  readonly units: () => number;
  /** Units that are applied, healthy and pruned, and now only watched. */
  readonly unitsSettled: () => number;
  readonly link: () => { watchOpen: boolean; busOpen: boolean; certificateExpiresAtMs: number };
};

const durationSeconds = [0.005, 0.02, 0.1, 0.5, 2, 10, 60];

export function createMetrics(sources: MetricSources, agentVersion: string): AgentMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `fairlead_agent_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `fairlead_agent_${name}`, help, buckets: durationSeconds, registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `fairlead_agent_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  const drifts = counter('drift_total', 'Changes of owned objects by others.', ['outcome']);
  const renders = counter('renders_total', 'Renderings of a unit.', ['outcome']);
  const renderSeconds = histogram('render_seconds', 'Duration of a rendering.');
  const applied = counter('objects_applied_total', 'Objects written to the cluster.');
  const pruned = counter('objects_pruned_total', 'Objects deleted from the cluster.');
  new Gauge({
    name: 'fairlead_agent_info',
    help: 'The version that runs.',
    labelNames: ['version'],
    registers,
  }).set({ version: agentVersion }, 1);
  gauge('units', 'Units that the agent is assigned.', sources.units);
  gauge('units_settled', 'Units that are in sync and watched.', sources.unitsSettled);
  gauge(
    'audit_outbox_events',
    'Audit events that the hub has not confirmed.',
    () => sources.outbox().auditLength,
  );
  gauge(
    'reports_pending',
    'Reports that the bus has not taken.',
    () => sources.outbox().reportsPending,
  );
  gauge('outbox_bytes', 'Size of both outboxes.', () => sources.outbox().bytes);
  gauge('hub_watch_open', '1 while the assignment watch is open.', () =>
    Number(sources.link().watchOpen),
  );
  gauge('bus_open', '1 while the bus is connected.', () => Number(sources.link().busOpen));
  gauge(
    'certificate_expires_seconds',
    'When the certificate expires, as Unix time.',
    () => sources.link().certificateExpiresAtMs / 1_000,
  );
  gauge('resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge('heap_used_bytes', 'Used heap.', () => process.memoryUsage().heapUsed);
  gauge('cpu_seconds', 'User and system time so far.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });

  return {
    countAudit: ({ kind, details }) => {
      if (kind === 'ObjectsApplied') {
        applied.inc(Number(details?.createdTotal ?? 0) + Number(details?.configuredTotal ?? 0));
      } else if (kind === 'ObjectPruned') pruned.inc();
      else if (kind === 'DriftRepaired') drifts.inc({ outcome: 'repaired' });
      else if (kind === 'DriftDetected') drifts.inc({ outcome: 'reported' });
      else if (kind === 'DriftFight') drifts.inc({ outcome: 'fought' });
    },
    countRender: (outcome, durationMs) => {
      renders.inc({ outcome });
      renderSeconds.observe(durationMs / 1_000);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

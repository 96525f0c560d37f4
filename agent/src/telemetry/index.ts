// The agent's metrics, and the one local HTTP port that shows them and the health of the process. It accepts no input
// but a path. Imports `limits`, the audit's type, prom-client and Node built-ins.
export {
  type HealthCheck,
  type HealthServer,
  type HealthServerOptions,
  startHealthServer,
} from './health-server.ts';
export { type AgentMetrics, createMetrics, type MetricSources } from './metrics.ts';

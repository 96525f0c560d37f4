// Asks Prometheus, or any HTTP source of JSON, for one number: only hosts that the hub's configuration names, without
// redirects, within limits of time and size, and with credentials from the hub's secrets alone. What cannot be read is no
// number, and never a reason to fail the hub.
// Imports the definition's types, `config`'s reader of secrets, `limits` and `shared`.
export { createMetricSource, type MetricReading, type ReadMetric } from './metric-source.ts';

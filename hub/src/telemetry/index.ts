// What operators watch: one Prometheus registry for the hub. Gauges read their source when they are scraped, so nothing
// needs to keep them up to date. Imports prom-client only.
export { createTelemetry, type Telemetry, type TelemetrySources } from './telemetry.ts';

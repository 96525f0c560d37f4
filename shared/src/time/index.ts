// Instants and durations as numbers of milliseconds, and their text forms. No clock is read here: `Clock` is a port.
// Imports `result` only.
export { type Clock, type Instant, type Random, systemClock, systemRandom } from './clock.ts';
export { formatDuration, formatInstant, parseDuration } from './duration.ts';

// The hub's background loops: each is woken by a change or by time, takes no input, reads state, issues commands and is
// idempotent, so that a crash or a lost wake costs one more run. May import commands, domain and the edges' index files.
export {
  type ConfigurationReactor,
  type ConfigurationReactorOptions,
  configurationRepositoryName,
  createConfigurationReactor,
} from './configuration.ts';
export { createFleetReactor, type FleetReactorOptions, type Presence } from './fleet.ts';
export { createFreezeReactor, type FreezeReactorOptions } from './freezes.ts';
export { createMetricReactor, type MetricReactor, type MetricReactorOptions } from './metrics.ts';
export {
  createPromotionReactor,
  type PromotionReactor,
  type PromotionReactorOptions,
} from './promotion.ts';
export { createReactor, type Reactor, type ReactorOptions } from './reactor.ts';
export {
  createRepositoryReactor,
  mirrorDirectory,
  type RepositoryReactor,
  type RepositoryReactorOptions,
} from './repositories.ts';
export { createSnapshotReader, type SnapshotOf, type SnapshotSources } from './snapshot.ts';
export { createStageRefReactor, type StageRefReactorOptions } from './stage-refs.ts';
export { openWatchedClock, type WatchedClock, type WatchedClockOptions } from './watched-clock.ts';

// For tests of the hub that need a log and a read model with something in them. Imports the decision log and the read
// model; nothing but tests and benchmarks imports it.
export { hashTables } from './hash-tables.ts';
export {
  append,
  clusterAdded,
  clusterConnected,
  clusterEnrolled,
  clusterId,
  commitId,
  definition,
  pipelineDefined,
  type RolloutOf,
  releasesDiscovered,
  report,
  repositoryDefined,
  rolloutId,
  rolloutStarted,
  rolloutSucceeded,
} from './history.ts';
export { type Fixture, openFixture, silent } from './open.ts';

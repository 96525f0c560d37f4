// What the hub knows of its configuration repository: which commit its resources come from, and why a newer one was
// refused. A pure decider over one stream. Imports `result` and the pipeline's faults.
export {
  type ConfigurationCommand,
  type ConfigurationEvent,
  type ConfigurationRejection,
  type ConfigurationState,
  decideConfiguration,
  evolveConfiguration,
  initialConfigurationState,
  isManaged,
  type ResourceName,
} from './configuration.ts';

// Identifiers as branded types: only the parsers here make them, so a pipeline's name cannot be passed as a stage's.
// Imports `result` only.
export {
  type ClusterId,
  type ClusterName,
  type CommitId,
  type PipelineName,
  type ProjectName,
  parseClusterId,
  parseCommitId,
  parseName,
  parseRolloutId,
  type RepositoryName,
  type RolloutId,
  type StageName,
} from './ids.ts';

// Identifiers as branded types: only the parsers here make them, so a pipeline's name cannot be passed as a stage's.
// Imports `result` only.
export {
  type ApprovalRequestId,
  type ClusterId,
  type ClusterName,
  type CommitId,
  type FreezeId,
  type NewId,
  type PipelineName,
  type ProjectName,
  parseClusterId,
  parseCommitId,
  parseName,
  parseNewId,
  type RepositoryName,
  type RolloutId,
  type RunId,
  type StageName,
} from './ids.ts';

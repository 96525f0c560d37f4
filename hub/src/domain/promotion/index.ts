// A pipeline's decisions: which release may enter which stage, how its rollout goes, and why something waits. A pure
// decider over one stream; `advance` is the planner. Imports `ids`, `result`, `time`, and its sibling subjects.
export type { FoundRelease, PipelineCommand, PipelineRejection } from './commands.ts';
export { decidePipeline } from './decide.ts';
export type {
  GateName,
  GateResult,
  PipelineEvent,
  Release,
  RolloutKind,
  RolloutTarget,
  WithdrawalCause,
} from './events.ts';
export { rolloutKinds } from './events.ts';
export { evolvePipeline } from './evolve.ts';
export { explain, nextWakeAt, type StageExplanation, type TargetExplanation } from './explain.ts';
export { clustersOfStage, fleetView } from './fleet-view.ts';
export { evaluateGates, isOpen } from './gates/index.ts';
export { samplesWanted } from './metric/judge.ts';
export { takenId } from './new-ids.ts';
export { emptyMap, get, type PersistentMap, withEntry } from './persistent-map.ts';
export { isReportNews, type ReportSaid } from './report-news.ts';
export { retainedReleases } from './retention.ts';
export {
  type ClusterSnapshot,
  type CommitStatus,
  type MetricSample,
  type Snapshot,
  snapshotOf,
  type TargetReport,
  type VerificationResult,
  verificationsFeature,
} from './snapshot.ts';
export type { StageRefOutcome } from './stage-ref/events.ts';
export type { StageRef } from './stage-ref/state.ts';
export { stageRefName, stageRefPushesMax } from './stage-ref/text.ts';
export {
  type ActivePipeline,
  initialPipelineState,
  type KnownRelease,
  type PipelineState,
  type StageState,
  type TargetState,
} from './state.ts';
export type { SoakTotals } from './stay.ts';

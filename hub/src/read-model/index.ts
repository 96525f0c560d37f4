// What queries read: a local SQLite file that follows the decision log from a checkpoint and takes the newest reports of
// agents. It can be deleted at any time. Imports the decision log's port, the domain's types, `rollout`, and `shared`;
// drizzle and better-sqlite3 stop here.
export { type EntrySubject, entrySubject } from './fold/index.ts';
export type {
  AdmissionView,
  ApprovalFilter,
  ApprovalView,
  AuditFilter,
  AuditIndexView,
  ClusterFilter,
  ClusterStatus,
  ClusterSummary,
  ClusterView,
  DriftFilter,
  DriftView,
  OpenAnalysis,
  Page,
  PageRequest,
  PipelineView,
  Queries,
  ReleaseView,
  ReportObjectView,
  ReportView,
  RepositoryView,
  RolloutFilter,
  RolloutView,
  StageFilter,
  StageView,
  StatusView,
  TargetCounts,
  TargetFilter,
  TargetView,
  TokenView,
  VerificationFilter,
  VerificationRunView,
} from './queries/index.ts';
export {
  openReadModel,
  type ReadModel,
  type ReadModelChange,
  type ReadModelOptions,
} from './read-model.ts';
export type { DriftOfObject, ObjectReport, ReceivedReport } from './reports.ts';
export type { NewSample, ReceivedResult } from './results.ts';

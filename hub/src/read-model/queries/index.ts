// The named queries of the read model, one file a subject; all are synchronous and read one committed state. Imports the
// schema and types of the domain.
import type { Orm } from '../orm.ts';
import { approvalQueries } from './approvals.ts';
import { auditQueries } from './audit.ts';
import { clusterQueries } from './clusters.ts';
import { driftQueries } from './drift.ts';
import { pipelineQueries } from './pipelines.ts';
import { repositoryQueries } from './repositories.ts';
import { rolloutQueries } from './rollouts.ts';
import { stageQueries } from './stages.ts';
import { statusQueries } from './statuses.ts';
import { targetQueries } from './targets.ts';
import { tokenQueries } from './tokens.ts';
import { verificationQueries } from './verifications.ts';

export type { ApprovalFilter, ApprovalView } from './approvals.ts';
export type { AuditFilter, AuditIndexView } from './audit.ts';
export type { ClusterFilter, ClusterStatus, ClusterSummary, ClusterView } from './clusters.ts';
export type { TargetCounts } from './counts.ts';
export type { DriftFilter, DriftView } from './drift.ts';
export type { Page, PageRequest } from './page.ts';
export type { PipelineView, ReleaseView } from './pipelines.ts';
export type { RepositoryView } from './repositories.ts';
export type { AdmissionView, RolloutFilter, RolloutView, StageFilter } from './rollouts.ts';
export type { StageView } from './stages.ts';
export type { StatusView } from './statuses.ts';
export type { ReportObjectView, ReportView, TargetFilter, TargetView } from './targets.ts';
export type { TokenView } from './tokens.ts';
export type { OpenAnalysis, VerificationFilter, VerificationRunView } from './verifications.ts';

export const createQueries = (orm: Orm) => ({
  ...clusterQueries(orm),
  ...repositoryQueries(orm),
  ...pipelineQueries(orm),
  ...stageQueries(orm),
  ...targetQueries(orm),
  ...driftQueries(orm),
  ...rolloutQueries(orm),
  ...auditQueries(orm),
  ...tokenQueries(orm),
  ...approvalQueries(orm),
  ...statusQueries(orm),
  ...verificationQueries(orm),
});
export type Queries = ReturnType<typeof createQueries>;

import type { HttpApiOptions } from './dependencies.ts';
import type { Endpoint } from './endpoint.ts';
import { approvalEndpoints } from './routes/approvals.ts';
import { auditEndpoints } from './routes/audit.ts';
import { clusterEndpoints } from './routes/clusters.ts';
import { deletionEndpoints } from './routes/deletions.ts';
import { driftEndpoints } from './routes/drift.ts';
import { explainEndpoints } from './routes/explain.ts';
import { freezeEndpoints } from './routes/freezes.ts';
import { hubEndpoints } from './routes/hub.ts';
import { pipelineEndpoints } from './routes/pipelines.ts';
import { planEndpoints } from './routes/plans.ts';
import { problemEndpoints } from './routes/problem-catalogue.ts';
import { repositoryEndpoints } from './routes/repositories.ts';
import { resourceEndpoints } from './routes/resources.ts';
import { rolloutEndpoints } from './routes/rollouts.ts';
import { stageCommandEndpoints } from './routes/stage-commands.ts';
import { statusEndpoints } from './routes/status.ts';
import { statusReportEndpoints } from './routes/statuses.ts';
import { tokenEndpoints } from './routes/tokens.ts';
import { verificationEndpoints } from './routes/verifications.ts';

/** Every route of the API that takes and gives documents. */
export const endpoints = (options: HttpApiOptions): Endpoint[] => [
  ...statusEndpoints(options),
  ...clusterEndpoints(options),
  ...repositoryEndpoints(options),
  ...statusReportEndpoints(options),
  ...pipelineEndpoints(options),
  ...resourceEndpoints(options),
  ...stageCommandEndpoints(options),
  ...approvalEndpoints(options),
  ...freezeEndpoints(options),
  ...deletionEndpoints(options),
  ...hubEndpoints(options),
  ...explainEndpoints(options),
  ...planEndpoints(options),
  ...driftEndpoints(options),
  ...rolloutEndpoints(options),
  ...verificationEndpoints(options),
  ...auditEndpoints(options),
  ...tokenEndpoints(options),
  ...problemEndpoints(),
];

// Fold, decide, append: the only callers of the core's deciders, and the only writers of the decision log. Imports the
// domain, the decision log and `limits`.

export type { ClusterState } from '../domain/fleet/index.ts';
export type { HubState } from '../domain/hub/index.ts';
export type { PipelineState } from '../domain/promotion/index.ts';
export type { RepositoryState } from '../domain/repository/index.ts';
export type { AuditedEvent, AuditWatermark } from './agent-audit.ts';
export type { Executed, Outcome } from './execute.ts';
export {
  type CommandHandler,
  createCommandHandler,
  type MadePipelineCommand,
} from './handler.ts';
export type { Refusal } from './refusals.ts';

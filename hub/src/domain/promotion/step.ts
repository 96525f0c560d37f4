import type { NewId } from '@fairlead/shared/ids';
import type { StageDefinition } from '../pipeline/definition.ts';
import type { PipelineEvent } from './events.ts';
import type { FleetView } from './fleet-view.ts';
import type { ActivePipeline } from './state.ts';

export type StepContext = {
  readonly fleet: FleetView;
  /** Not used before, in a fixed order. */
  readonly newIds: readonly NewId[];
};

/**
 * What one rule makes of one stage on one snapshot, next. After its events are applied it has nothing more to say of the
 * same matter, so that the planner comes to an end.
 */
export type Step = (
  state: ActivePipeline,
  stage: StageDefinition,
  context: StepContext,
) => PipelineEvent[];

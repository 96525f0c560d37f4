import type { Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../../pipeline/definition.ts';
import type { GateResult } from '../events.ts';
import type { FleetView } from '../fleet-view.ts';
import type { ActivePipeline, KnownRelease, StageState } from '../state.ts';

/** What every gate of one admission looks at: one state at one moment. */
export type GateContext = {
  readonly state: ActivePipeline;
  readonly stage: StageDefinition;
  readonly inStage: StageState;
  readonly release: KnownRelease;
  readonly at: Instant;
  readonly fleet: FleetView;
};

/** Nothing where the stage does not ask for it. */
export type Gate = (context: GateContext) => Omit<GateResult, 'gate'> | undefined;

import { err, ok, type Result } from '@fairlead/shared/result';
import type { Instant } from '@fairlead/shared/time';
import type { Person } from '../hub/index.ts';
import type { StageDefinition } from '../pipeline/definition.ts';
import type { PipelineRejection } from './commands.ts';
import { type Decision, refuse } from './decision.ts';
import type { FreezeOverride } from './events.ts';
import type { FleetView } from './fleet-view.ts';
import { assignmentFreeze } from './freeze.ts';
import type { ActivePipeline } from './state.ts';

type Asked = { readonly by?: Person; readonly overrideReason?: string };

/** The word of a person that a request may go on in a freeze or outside of a window. It needs a right of its own. */
export function overrideOf(
  { by, overrideReason }: Asked,
  at: Instant,
): Result<FreezeOverride | undefined, PipelineRejection> {
  if (overrideReason === undefined) return ok(undefined);
  if (overrideReason.trim() === '') {
    return err({ code: 'permission_missing', detail: 'An override needs a reason.' });
  }
  if (by?.permissions.includes('override-freeze')) {
    return ok({ by: by.subject, reason: overrideReason, at });
  }
  return err({
    code: 'permission_missing',
    detail: `${by?.subject ?? 'Whoever asks'} lacks the permission override-freeze.`,
  });
}

/** Refuses what would assign at once in a frozen stage. */
export function refuseFrozen(
  state: Pick<ActivePipeline, 'definition'>,
  stage: Pick<StageDefinition, 'name'>,
  fleet: FleetView,
  override?: FreezeOverride,
): Decision | undefined {
  const freeze = assignmentFreeze(state, stage, fleet, override);
  if (!freeze.frozen) return undefined;
  return refuse(
    'stage_frozen',
    `${stage.name} is frozen: ${freeze.reason}. Lift it, or give an override with a reason and ` +
      'the permission override-freeze.',
  );
}

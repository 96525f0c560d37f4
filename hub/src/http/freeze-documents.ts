import type { PipelineName, ProjectName, StageName } from '@fairlead/shared/ids';
import { formatInstant, type Instant } from '@fairlead/shared/time';
import {
  covers,
  type DeclaredFreeze,
  type FreezesState,
  hasBegun,
  inForce,
  scopeText,
} from '../domain/freeze/index.ts';

import type { FreezeDocument, StageDocument } from './schemas.ts';

export function freezeDocument(freeze: DeclaredFreeze, at: Instant): FreezeDocument {
  const { id, scope, reason, by, from, until, declaredAt, running } = freeze;
  return {
    id,
    state: hasBegun(freeze, at) ? 'in-force' : 'planned',
    covers: scopeText(scope),
    ...('project' in scope ? { project: scope.project } : {}),
    ...('pipeline' in scope ? { pipeline: scope.pipeline } : {}),
    ...('stage' in scope ? { stage: scope.stage } : {}),
    reason,
    by,
    running,
    from: formatInstant(from),
    ...(until === undefined ? {} : { until: formatInstant(until) }),
    declaredAt: formatInstant(declaredAt),
  };
}

/** Adds to a stage what it is frozen by. */
export function withFreezes(
  stage: StageDocument,
  project: string,
  { state, at }: { readonly state: FreezesState; readonly at: Instant },
): StageDocument {
  const place = {
    project: project as ProjectName,
    pipeline: stage.pipeline as PipelineName,
    stage: stage.name as StageName,
  };
  const freezes = inForce(state, at).filter(({ scope }) => covers(scope, place));
  return freezes.length === 0
    ? stage
    : { ...stage, frozenBy: freezes.map((freeze) => freezeDocument(freeze, at)) };
}

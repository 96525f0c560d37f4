// Freezes: times in which nothing is assigned, declared by people for the hub, a project, a pipeline or a stage. A pure
// decider over one stream. Imports `ids`, `result`, `time`.
export {
  decideFreeze,
  type FreezeCommand,
  type FreezeRejection,
  freezeReasonCharactersMax,
} from './decide.ts';
export type { Freeze, FreezeEvent, FreezeScope } from './freeze.ts';
export {
  covers,
  type DeclaredFreeze,
  evolveFreezes,
  type FreezePlace,
  type FreezesState,
  hasBegun,
  hasEnded,
  inForce,
  initialFreezesState,
  isWithheldBy,
  nextFreezeChange,
  scopeText,
  unseenAssignmentAgeMsMax,
} from './state.ts';

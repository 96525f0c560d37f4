import { unreachable } from '@fairlead/shared/result';
import type { StageRefEvent } from './events.ts';
import type { StageRef } from './state.ts';

export function evolveStageRef(before: StageRef | undefined, event: StageRefEvent): StageRef {
  const { commit: known, times = 0, mayOverwrite } = before ?? {};
  const kept = {
    ...(known === undefined ? {} : { commit: known }),
    times,
    ...(mayOverwrite === undefined ? {} : { mayOverwrite }),
  };
  switch (event.type) {
    case 'StageRefPushed': {
      const before = event.commit === known ? times : 0;
      return { commit: event.commit, times: Math.max(1, before + (event.found ? 0 : 1)) };
    }
    case 'StageRefHalted':
      return { ...kept, halted: { commit: event.commit, found: event.found } };
    case 'StageRefFailed':
      return { ...kept, failure: { commit: event.commit, message: event.message } };
    case 'StageRefOverwriteAllowed':
      return { ...kept, mayOverwrite: event.found };
    default:
      return unreachable(event);
  }
}

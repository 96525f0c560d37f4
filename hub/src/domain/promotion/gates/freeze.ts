import { assignmentFreeze, overrideFor } from '../freeze.ts';
import type { Gate } from './gate.ts';

/** A freeze is in force for the stage, unless a person with the right lets this one request go on in spite of it. */
export const freezeGate: Gate = ({ state, stage, inStage, release, fleet }) => {
  const freeze = assignmentFreeze(state, stage, fleet);
  if (!freeze.frozen) return undefined;
  const { reason, freezes, clearsAt } = freeze;
  const override = overrideFor(inStage, release.commit);
  const evidence = {
    freezes: freezes.map(({ id }) => id).join(','),
    ...(override === undefined ? {} : { overriddenBy: override.by }),
  };
  const left = assignmentFreeze(state, stage, fleet, override);
  if (override !== undefined && !left.frozen) {
    return {
      passed: false,
      detail: `${sentence(reason)}.`,
      evidence,
      bypassed: bypassOf(override),
    };
  }
  const remedy =
    clearsAt === undefined
      ? `\`fairlead unfreeze ${freezes[0]?.id}\` clears it.`
      : 'it ends by itself then.';
  return {
    passed: false,
    detail: `${sentence(reason)}: ${remedy}`,
    evidence,
    ...(clearsAt === undefined ? {} : { clearsAt }),
  };
};

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const bypassOf = ({ by, reason }: { by: string; reason: string }) => ({ by, reason });

import { short } from '../state.ts';
import type { Gate } from './gate.ts';

/** A stage that is promoted by hand waits for a person to ask for exactly this release. */
export const manualGate: Gate = ({ stage, inStage, release }) => {
  const requested = inStage.request?.release === release.commit;
  const evidence = { requested };
  if (requested) return { passed: true, detail: 'A person asked for it.', evidence };
  if (stage.promote === 'automatic') {
    return { passed: true, detail: 'The stage is promoted automatically.', evidence };
  }
  return {
    passed: false,
    detail: `${stage.name} is promoted by hand: promote ${short(release.commit)} to clear it.`,
    evidence,
  };
};

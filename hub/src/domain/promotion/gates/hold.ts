import { isNewerThanRolledBack } from '../rollback-hold.ts';
import { short } from '../state.ts';
import type { Gate } from './gate.ts';

/**
 * A held stage takes nothing. The hold that a rollback leaves gives way to a release that a person asks for and, where the
 * stage says so, to one that is newer than all that was rolled back.
 */
export const holdGate: Gate = ({ state, stage, inStage, release }) => {
  const { hold, request } = inStage;
  if (hold === undefined) return { passed: true, detail: 'The stage is not held.', evidence: {} };
  const evidence = { reason: hold.reason, automatic: hold.automatic };
  if (hold.automatic && request?.release === release.commit) {
    return { passed: true, detail: 'A person asked for it after the rollback.', evidence };
  }
  if (hold.automatic && isNewerThanRolledBack(state, stage, release)) {
    const detail = `${short(release.commit)} is newer than what was rolled back.`;
    return { passed: true, detail, evidence };
  }
  const newer =
    stage.holdAfterRollback === 'until-newer-release' ? 'a newer release clears it, or ' : '';
  const remedy = hold.automatic
    ? `${newer}resume ${stage.name}, or promote a release by name, to clear it.`
    : `resume ${stage.name} to clear it.`;
  return { passed: false, detail: `The stage is held (${hold.reason}): ${remedy}`, evidence };
};

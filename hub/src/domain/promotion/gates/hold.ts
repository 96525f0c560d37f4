import type { Gate } from './gate.ts';

/** A held stage takes nothing. The hold that a rollback leaves gives way to a release that a person asks for. */
export const holdGate: Gate = ({ stage, inStage, release }) => {
  const { hold, request } = inStage;
  if (hold === undefined) return { passed: true, detail: 'The stage is not held.', evidence: {} };
  const evidence = { reason: hold.reason, automatic: hold.automatic };
  if (hold.automatic && request?.release === release.commit) {
    return { passed: true, detail: 'A person asked for it after the rollback.', evidence };
  }
  const remedy = hold.automatic
    ? `resume ${stage.name}, or promote a release by name, to clear it.`
    : `resume ${stage.name} to clear it.`;
  return { passed: false, detail: `The stage is held (${hold.reason}): ${remedy}`, evidence };
};

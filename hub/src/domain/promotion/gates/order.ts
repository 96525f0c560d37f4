import { unsatisfiedStages } from '../candidate.ts';
import { get } from '../persistent-map.ts';
import { short, stageState } from '../state.ts';
import type { Gate } from './gate.ts';

/** The release has succeeded in each stage before. */
export const orderGate: Gate = ({ state, stage, release }) => {
  const missing = unsatisfiedStages(state, stage, release.commit);
  const evidence = Object.fromEntries(
    stage.after.map((before) => [
      before,
      get(stageState(state, before).releases, release.commit)?.outcome ?? 'not admitted',
    ]),
  );
  const name = short(release.commit);
  if (missing.length > 0) {
    return {
      passed: false,
      detail: missing
        .map((before) => {
          const failure = get(stageState(state, before).releases, release.commit)?.failure;
          const why = failure === undefined ? '' : `: it failed there (${failure.message})`;
          return `${name} has not succeeded in ${before}${why}.`;
        })
        .join(' '),
      evidence,
    };
  }
  const detail =
    stage.after.length === 0
      ? 'No stage comes before this one.'
      : `${name} has succeeded in ${stage.after.join(' and ')}.`;
  return { passed: true, detail, evidence };
};

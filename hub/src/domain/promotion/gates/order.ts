import { namesBefore, unsatisfiedStages } from '../candidate.ts';
import { get } from '../persistent-map.ts';
import { short, stageState } from '../state.ts';
import type { Gate } from './gate.ts';

/** The release has succeeded in each stage before, or in one where one is enough. */
export const orderGate: Gate = ({ state, stage, release }) => {
  const missing = unsatisfiedStages(state, stage, release.commit);
  const markIn = (before: (typeof stage.after)[number]) =>
    get(stageState(state, before).releases, release.commit);
  const evidence = Object.fromEntries(
    stage.after.map((before) => [before, markIn(before)?.outcome ?? 'not admitted']),
  );
  const name = short(release.commit);
  if (missing.length > 0) {
    const sentences = missing.map((before) => {
      const failure = markIn(before)?.failure;
      const why = failure === undefined ? '' : `: it failed there (${failure.message})`;
      return `${name} has not succeeded in ${before}${why}.`;
    });
    const enough =
      stage.afterMode === 'any' && missing.length > 1 ? [`One of these is enough.`] : [];
    return { passed: false, detail: [...sentences, ...enough].join(' '), evidence };
  }
  const succeeded = stage.after.filter((before) => markIn(before)?.outcome === 'succeeded');
  const detail =
    stage.after.length === 0
      ? 'No stage comes before this one.'
      : `${name} has succeeded in ${succeeded.join(' and ') || namesBefore(stage)}.`;
  return { passed: true, detail, evidence };
};

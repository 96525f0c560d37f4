import { experienceOf, stagesBefore } from '../stages-before.ts';
import { short } from '../state.ts';
import type { Gate } from './gate.ts';

/**
 * Each stage before is healthy with the release now or, when a newer one has taken its place there, was healthy with
 * it to the end. Unknown is not healthy.
 */
export const healthGate: Gate = ({ state, stage, release, fleet }) => {
  const { commit } = release;
  const { watchedMs } = fleet;
  const name = short(commit);
  const evidence: Record<string, string> = {};
  const faults: string[] = [];
  const stages = stagesBefore(state, stage, { commit, watchedMs });
  for (const before of stages) {
    const { stay, healthy } = experienceOf(state, before, {
      commit,
      gates: stage.gates,
      watchedMs,
    });
    if (stay !== undefined) {
      evidence[before] = stay.health ?? 'unknown';
      const why = stay.message ? `: ${stay.message}` : '';
      if (!healthy) faults.push(`${before} is ${evidence[before]} with ${name}${why}`);
    } else if (healthy) {
      evidence[before] = 'healthy until another release came';
    } else {
      evidence[before] = 'not running it';
      faults.push(`${before} does not run ${name} and was not healthy with it at the end`);
    }
  }
  if (faults.length > 0) return { passed: false, detail: `${faults.join('; ')}.`, evidence };
  const detail =
    stages.length === 0
      ? 'No stage comes before this one.'
      : `${stages.join(' and ')} healthy with ${name}.`;
  return { passed: true, detail, evidence };
};

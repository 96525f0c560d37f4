import { get } from '../persistent-map.ts';
import { short, stageState } from '../state.ts';
import type { Gate } from './gate.ts';

/**
 * Each stage before is healthy with the release now or, when a newer one has taken its place there, was healthy with
 * it to the end. Unknown is not healthy.
 */
export const healthGate: Gate = ({ state, stage, release }) => {
  const name = short(release.commit);
  const evidence: Record<string, string> = {};
  const faults: string[] = [];
  for (const before of stage.after) {
    const { stay, releases } = stageState(state, before);
    if (stay?.release === release.commit) {
      evidence[before] = stay.health ?? 'unknown';
      if (stay.health === 'healthy') continue;
      const why = stay.message ? `: ${stay.message}` : '';
      faults.push(`${before} is ${evidence[before]} with ${name}${why}`);
    } else if (get(releases, release.commit)?.leftHealthy) {
      evidence[before] = 'healthy until another release came';
    } else {
      evidence[before] = 'not running it';
      faults.push(`${before} does not run ${name} and was not healthy with it at the end`);
    }
  }
  if (faults.length > 0) return { passed: false, detail: `${faults.join('; ')}.`, evidence };
  const detail =
    stage.after.length === 0
      ? 'No stage comes before this one.'
      : `${stage.after.join(' and ')} healthy with ${name}.`;
  return { passed: true, detail, evidence };
};

import { formatDuration } from '@fairlead/shared/time';
import { short } from '../state.ts';
import type { Gate } from './gate.ts';

/** Each named source says that the commit is good, by its newest word. What nobody has reported is not good yet. */
export const statusGate: Gate = ({ state, stage, release, at, fleet }) => {
  const { statuses: names } = stage.gates;
  if (names.length === 0) return undefined;
  const name = short(release.commit);
  const evidence: Record<string, string | number> = {};
  const waits = names.flatMap((source) => {
    const status = fleet.statusOf(release.commit, source);
    if (status === undefined) {
      evidence[source] = 'missing';
      return [
        `nobody has reported ${source} of ${name} yet: CI does, by \`fairlead report-status ` +
          `${state.definition.repository} ${release.commit} --name ${source}\``,
      ];
    }
    const { state: said, description, receivedAt } = status;
    evidence[source] = said;
    evidence[`${source}.receivedAt`] = receivedAt;
    if (said === 'success') return [];
    const age = formatDuration(Math.max(0, at - receivedAt));
    const words = description === '' ? '' : ` (${description})`;
    return said === 'pending'
      ? [`${source} of ${name} has been pending for ${age}${words}`]
      : [
          `${source} of ${name} failed ${age} ago${words}: a newer report of it, or a newer release, clears it`,
        ];
  });
  return waits.length === 0
    ? { passed: true, detail: `${names.join(', ')} succeeded with ${name}.`, evidence }
    : { passed: false, detail: `${waits.join('; ')}.`, evidence };
};

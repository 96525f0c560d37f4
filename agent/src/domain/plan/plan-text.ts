import { objectKeyText } from '@fairlead/shared/manifest';
import { keyTextOf } from './order.ts';
import type { Plan } from './planner.ts';

/** A plan as lines for people and for golden tests. */
export function planText({ steps, onFailure, prune, kept }: Plan): string {
  const lines = steps.flatMap(({ section, wave, phase, after, objects }) => [
    `${section === 'main' ? '' : `${section} all waves: `}wave ${Number.isFinite(wave) ? wave : 'first'} ${phase}, once the rest is ${after}`,
    ...objects.map((object) => `  apply ${keyTextOf(object)}`),
  ]);
  lines.push(...onFailure.map((object) => `on failure apply ${keyTextOf(object)}`));
  if (prune.held !== '') lines.push(`held: ${prune.held}`);
  for (const step of prune.steps) {
    lines.push('prune', ...step.map(({ key }) => `  remove ${objectKeyText(key)}`));
  }
  lines.push(...kept.map(({ key, reason }) => `keep ${objectKeyText(key)}: ${reason}`));
  return lines.join('\n');
}

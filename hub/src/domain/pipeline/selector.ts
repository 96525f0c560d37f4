import type { ClusterSelector } from './definition.ts';
import { labelsMax } from './limits.ts';
import { fault, type Node, readEntries, readMapping } from './reader.ts';

const labelKeyPattern =
  /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const labelValuePattern = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

export function parseSelector(node: Node): ClusterSelector {
  return { matchLabels: parseLabels(readMapping(node, { known: ['matchLabels'] })('matchLabels')) };
}

/** An empty selector would mean every cluster, production included: it must be written with a label. */
export function parseLabels(node: Node): Record<string, string> {
  const entries = readEntries(node);
  if (entries.length === 0) fault(node, 'must name at least one label');
  if (entries.length > labelsMax) fault(node, `may name at most ${labelsMax} labels`);
  return Object.fromEntries(
    entries.map((entry) => {
      const key = entry.path.slice(node.path.length + 1);
      if (!labelKeyPattern.test(key)) fault(entry, 'is no key of a label');
      const { value } = entry;
      if (typeof value !== 'string' || !labelValuePattern.test(value) || value.length > 63) {
        fault(entry, 'must be a label value: text of at most 63 letters, digits, "-", "_" and "."');
      }
      return [key, String(value)];
    }),
  );
}

/** The label for which the two ask for different values, so that no cluster can match both. */
export const contradiction = (left: ClusterSelector, right: ClusterSelector): string | undefined =>
  Object.entries(left.matchLabels).find(
    ([key, value]) => Object.hasOwn(right.matchLabels, key) && right.matchLabels[key] !== value,
  )?.[0];

/** Whether one cluster could match both. A control stage matches none. */
export const mayShare = (
  left: ClusterSelector | undefined,
  right: ClusterSelector | undefined,
): boolean => left !== undefined && right !== undefined && contradiction(left, right) === undefined;

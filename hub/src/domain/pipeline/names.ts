import {
  type PipelineName,
  type ProjectName,
  parseName,
  type RepositoryName,
  type StageName,
} from '@fairlead/shared/ids';
import type { BypassableGate } from './definition.ts';
import { peopleMax } from './limits.ts';
import {
  fault,
  isAbsent,
  type Node,
  readChoice,
  readDistinct,
  readMapping,
  readText,
} from './reader.ts';

const secretNamePattern = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const personPattern = /^(group|user):[^\s:,][^\s,]{0,199}$/;

export const bypassableGates: readonly BypassableGate[] = [
  'order',
  'health',
  'soak',
  'approval',
  'window',
  'verification',
  'metric',
  'status',
];

export function readNameOf<Name extends ProjectName | RepositoryName | PipelineName | StageName>(
  node: Node,
): Name {
  if (isAbsent(node)) {
    fault(node, 'is missing');
    return '' as Name;
  }
  const parsed = parseName<Name>(node.value);
  if (parsed.ok) return parsed.value;
  fault(node, parsed.error);
  return String(node.value) as Name;
}

/** The name of a rule within its list: given, or made of the word and its place. */
export function readRuleName(node: Node, fallback?: string): string {
  if (isAbsent(node) && fallback !== undefined) return fallback;
  const text = readText(node);
  const parsed = parseName(text);
  if (!parsed.ok && text !== '') fault(node, parsed.error);
  return text;
}

export function checkDistinctNames(
  nodes: readonly Node[],
  rules: readonly { name: string }[],
): void {
  const seen = new Set<string>();
  rules.forEach(({ name }, index) => {
    const node = nodes[index];
    if (node && name !== '' && seen.has(name)) {
      fault({ ...node, path: `${node.path}.name` }, `repeats ${name}`);
    }
    seen.add(name);
  });
}

/** `group:<name>` or `user:<subject>`. */
export const readPeople = (node: Node): string[] =>
  readDistinct(node, peopleMax, (each) => {
    const text = readText(each);
    if (text !== '' && !personPattern.test(text)) {
      fault(each, 'must be group:<name> or user:<name>');
    }
    return text;
  });

export const readGates = (node: Node): BypassableGate[] =>
  readDistinct(node, bypassableGates.length, (each) => {
    if (isAbsent(each)) fault(each, `must be one of ${bypassableGates.join(', ')}`);
    if (each.value === 'hold' || each.value === 'freeze') {
      fault(each, `cannot be bypassed: ${each.value}s are ended by a command of their own`);
      return '' as BypassableGate;
    }
    return readChoice(each, bypassableGates, '' as BypassableGate);
  });

/** The `secretRef` of a mapping such as `credentials`. */
export function readSecretName(node: Node): string | undefined {
  if (isAbsent(node)) return undefined;
  const place = readMapping(node, { known: ['secretRef'] })('secretRef');
  const name = readText(place);
  if (name !== '' && !secretNamePattern.test(name)) fault(place, 'is no name of a secret');
  return name;
}

export const isSecretName = (name: string): boolean => secretNamePattern.test(name);

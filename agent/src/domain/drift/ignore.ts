import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import type { IgnoreRule } from '../link/index.ts';

/** What of one object is left to others: places in it, and whatever these field managers hold. */
export type Ignored = {
  /** Reference tokens of RFC 6901; an empty list stands for the whole object. */
  readonly pointers: readonly (readonly string[])[];
  readonly managers: readonly string[];
};

const annotation = 'fairlead.dev/ignore-differences';
const fluxAnnotation = 'kustomize.toolkit.fluxcd.io/ssa';
const pointerPattern = /^(?:\/(?:[^~]|~[01])*)+$/;

/** The rules of the stage that match the object, and what its own annotations say; `undefined` when nothing does. */
export function ignoredOf(
  object: KubernetesObject,
  rules: readonly IgnoreRule[],
): Ignored | undefined {
  const matching = rules.filter((rule) => matches(rule, object));
  const pointers = [
    ...matching.flatMap((rule) => rule.jsonPointers.map(tokensOf)),
    ...annotated(object).map(tokensOf),
    ...(fluxPolicy(object) === 'ifnotpresent' ? [[]] : []),
  ];
  const managers = matching.flatMap((rule) => rule.managers);
  return pointers.length + managers.length === 0 ? undefined : { pointers, managers };
}

/** What an object's annotations ask for that cannot be done, each with the remedy. */
export function ignoreFaults(object: KubernetesObject): string[] {
  const faults = annotated(object)
    .filter((pointer) => !pointerPattern.test(pointer))
    .map(
      (pointer) =>
        `has "${pointer}" in ${annotation}, which is no JSON pointer such as /spec/replicas`,
    );
  if (fluxPolicy(object) === 'ignore') {
    faults.push(`has ${fluxAnnotation}: Ignore; leave the object out of the rendered folder`);
  }
  return faults;
}

/** Separated by commas, blanks or lines. */
const annotated = ({ metadata }: KubernetesObject): string[] =>
  (metadata.annotations?.[annotation] ?? '').split(/[\s,]+/).filter((pointer) => pointer !== '');

const fluxPolicy = ({ metadata }: KubernetesObject): string | undefined =>
  (metadata.annotations?.[fluxAnnotation] ?? metadata.labels?.[fluxAnnotation])?.toLowerCase();

const matches = (rule: IgnoreRule, { apiVersion, kind, metadata }: KubernetesObject): boolean =>
  ['', groupOf(apiVersion)].includes(rule.group) &&
  ['', kind].includes(rule.kind) &&
  ['', metadata.namespace].includes(rule.namespace) &&
  ['', metadata.name].includes(rule.name);

const tokensOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));

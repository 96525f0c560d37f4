import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import { managersOf, missingPaths, ownedFields } from './managed-fields.ts';

/** One field that was not as desired. `undefined` means that the field is not there. */
export type FieldDifference = {
  /** For people: `spec.template.spec.containers[name=web].image`. */
  readonly path: string;
  readonly live: unknown;
  readonly desired: unknown;
};

export type Drift = {
  readonly differences: readonly FieldDifference[];
  readonly differencesTotal: number;
  /** Who holds the changed fields now; empty when the API server does not say. */
  readonly managers: readonly string[];
};

export type DriftOptions = {
  readonly manager: string;
  readonly differencesMax: number;
  /** A larger value, such as a file in a ConfigMap, is shown by its beginning. */
  readonly valueCharactersMax: number;
};

const masked = '(secret)';

/**
 * Compares an object as it was found with the same object after our apply (or its dry run). The fields that our set gains
 * are those that somebody took from us or removed; everything else that differs is not ours to speak of.
 */
export function fieldDiff(
  live: KubernetesObject,
  applied: KubernetesObject,
  options: DriftOptions,
): Drift {
  const { manager } = options;
  const paths = missingPaths(ownedFields(applied, manager), ownedFields(live, manager));
  return {
    differences: differencesAt(paths, { live, desired: applied }, options),
    differencesTotal: paths.length,
    managers: managersOf(live, paths, manager),
  };
}

/**
 * What an apply would change, from the object as it is and as its dry run would leave it: of our fields, before and then,
 * those with another value. What the API server and other managers add is not ours to speak of.
 */
export function changeDiff(
  live: KubernetesObject,
  wouldBe: KubernetesObject,
  options: DriftOptions,
): Drift {
  const before = ownedFields(live, options.manager);
  const then = ownedFields(wouldBe, options.manager);
  const given = missingPaths(then, undefined);
  const paths = [...given, ...missingPaths(before, then)].filter(
    (path) => JSON.stringify(valueAt(live, path)) !== JSON.stringify(valueAt(wouldBe, path)),
  );
  return {
    differences: differencesAt(paths, { live, desired: wouldBe }, options),
    differencesTotal: paths.length,
    managers: managersOf(live, paths, options.manager),
  };
}

type Sides = { readonly live: KubernetesObject; readonly desired: KubernetesObject };

function differencesAt(
  paths: readonly (readonly string[])[],
  { live, desired }: Sides,
  { differencesMax, valueCharactersMax }: DriftOptions,
): FieldDifference[] {
  const isSecret = live.kind === 'Secret' && groupOf(live.apiVersion) === '';
  return paths.slice(0, differencesMax).map((path) => {
    const hidden = isSecret && isConfidential(path);
    const value = (object: KubernetesObject) => {
      const found = valueAt(object, path);
      return hidden && found !== undefined ? masked : clip(found, valueCharactersMax);
    };
    return { path: pathText(path), live: value(live), desired: value(desired) };
  });
}

/** Of a Secret: its data, and the copy of it that `kubectl apply` keeps among the annotations. */
const isConfidential = ([first = '', second = '', third = '']: readonly string[]): boolean =>
  /^f:(data|stringData)$/.test(first) ||
  (second === 'f:annotations' && /^$|last-applied-configuration/.test(third));

function clip(value: unknown, charactersMax: number): unknown {
  const text = JSON.stringify(value) ?? '';
  return text.length <= charactersMax ? value : `${text.slice(0, charactersMax)}…`;
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  let current = object;
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Array.isArray(current)
      ? current.find((item, index) => isItem(item, index, part))
      : part.startsWith('f:')
        ? (current as Record<string, unknown>)[part.slice(2)]
        : undefined;
  }
  return current;
}

function isItem(item: unknown, index: number, part: string): boolean {
  const body = part.slice(2);
  if (part.startsWith('i:')) return index === Number(body);
  const wanted = parse(body);
  if (part.startsWith('v:')) return JSON.stringify(item) === JSON.stringify(wanted);
  if (!part.startsWith('k:') || typeof item !== 'object' || item === null) return false;
  return Object.entries(wanted as Record<string, unknown>).every(
    ([name, value]) => (item as Record<string, unknown>)[name] === value,
  );
}

function pathText(path: readonly string[]): string {
  let text = '';
  for (const part of path) {
    const body = part.slice(2);
    if (part.startsWith('f:')) text += /^[\w-]+$/.test(body) ? `.${body}` : `["${body}"]`;
    else if (part.startsWith('k:')) {
      const keys = Object.entries(parse(body) as Record<string, unknown>);
      text += `[${keys.map(([name, value]) => `${name}=${String(value)}`).join(',')}]`;
    } else text += `[${body}]`;
  }
  return text.replace(/^\./, '');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

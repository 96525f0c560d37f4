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

export type DriftOptions = { readonly manager: string; readonly differencesMax: number };

const masked = '(secret)';

/**
 * Compares an object as it was found with the same object after our apply (or its dry run). The fields that our set gains
 * are those that somebody took from us or removed; everything else that differs is not ours to speak of.
 */
export function fieldDiff(
  live: KubernetesObject,
  applied: KubernetesObject,
  { manager, differencesMax }: DriftOptions,
): Drift {
  const paths = missingPaths(ownedFields(applied, manager), ownedFields(live, manager));
  const isSecret = live.kind === 'Secret' && groupOf(live.apiVersion) === '';
  const differences = paths.slice(0, differencesMax).map((path) => {
    const hidden = isSecret && /^f:(data|stringData)$/.test(path[0] ?? '');
    const value = (object: KubernetesObject) => {
      const found = valueAt(object, path);
      return hidden && found !== undefined ? masked : found;
    };
    return { path: pathText(path), live: value(live), desired: value(applied) };
  });
  return {
    differences,
    differencesTotal: paths.length,
    managers: managersOf(live, paths, manager),
  };
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

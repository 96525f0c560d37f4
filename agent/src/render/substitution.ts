import type { KubernetesObject } from '@fairlead/shared/manifest';
import { ok, type Result } from '@fairlead/shared/result';
import type { Assignment } from '../domain/link/index.ts';
import { type RenderFailure, renderFailure } from './failure.ts';
import { checkObjects, listed, type ObjectLimits } from './objects.ts';
import { defaultNamespace, type Rendered } from './rendering.ts';

/**
 * `$${`, which stands for `${` itself, or a placeholder: a name, `:text` where it must not become a number, and after
 * `:=` or `:-` a default. What does not have this form is a fault, so that no mistyped one goes to a cluster.
 */
const placeholderPattern =
  /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*|cluster\.name|cluster\.labels\.[A-Za-z0-9._/-]+)(:text)?(?::[=-]([^}]*))?\}|\$\{/g;
const wholePattern = /^\$\{(?!.*:text)[^}]*\}$/;
const optOuts = ['fairlead.dev/substitute', 'kustomize.toolkit.fluxcd.io/substitute'];

/**
 * Replaces placeholders in the text values of parsed objects, never in keys: a value stays one value, whatever it holds,
 * and can add no field. Of objects that hold decrypted values only the metadata is touched; those that opt out by
 * annotation are left as they are.
 */
export function substitute(
  rendered: readonly Rendered[],
  assignment: Assignment,
  limits: ObjectLimits,
): Result<readonly Rendered[], RenderFailure> {
  const { substitution } = assignment.render;
  if (substitution === undefined) return ok(rendered);
  const faults: string[] = [];
  const values = valuesOf(assignment, substitution);
  const budget = { charactersLeft: limits.outputBytesMax };
  const result = rendered.map((entry) => {
    const { object, isDecrypted } = entry;
    if (optsOut(object)) return entry;
    const { kind, metadata } = object;
    const fault = (path: string, message: string) =>
      faults.push(
        // What stands there may have been decrypted.
        `${kind} ${metadata.name}: ${path}: ${isDecrypted ? 'holds a placeholder without a value' : message}`,
      );
    const replace = createReplace(values, fault, budget);
    // Names and labels, which a kustomization gives to all of its objects; never what is secret.
    const changed = isDecrypted
      ? { ...object, metadata: walk(metadata, 'metadata', replace) }
      : walk(object, '', replace);
    return { ...entry, object: changed as KubernetesObject };
  });
  if (budget.charactersLeft < 0) {
    return renderFailure(
      'limit_exceeded',
      `substitution gives more than ${limits.outputBytesMax} bytes`,
    );
  }
  if (faults.length > 0) return renderFailure('value_missing', listed(faults));
  const checked = checkObjects(result, defaultNamespace(assignment), limits);
  return checked.ok ? ok(result) : checked;
}

function optsOut({ metadata }: KubernetesObject): boolean {
  return optOuts.some(
    (key) => metadata.annotations?.[key] === 'disabled' || metadata.labels?.[key] === 'disabled',
  );
}

function valuesOf(
  { clusterName, clusterLabels }: Assignment,
  stageValues: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  return new Map([
    ...Object.entries(stageValues),
    ['cluster.name', clusterName] as const,
    ...Object.entries(clusterLabels).map(
      ([key, value]) => [`cluster.labels.${key}`, value] as const,
    ),
  ]);
}

type Fault = (path: string, message: string) => void;
type Replace = {
  readonly text: (text: string, path: string) => string;
  readonly key: (key: string, path: string) => void;
};

function createReplace(
  values: ReadonlyMap<string, string>,
  fault: Fault,
  budget: { charactersLeft: number },
): Replace {
  return {
    text: (text, path) => {
      const replaced = text.replaceAll(
        placeholderPattern,
        (match, name?: string, _text?: string, fallback?: string) => {
          if (match === '$${') return '${';
          if (name === undefined) {
            fault(path, 'holds `${` that begins no placeholder; write `$${` for the text itself');
            return match;
          }
          const value = values.get(name) ?? fallback;
          if (value === undefined) fault(path, `\${${name}} has no value and no default`);
          return value ?? match;
        },
      );
      budget.charactersLeft -= replaced.length;
      // No more is kept than the limit; the caller refuses it all.
      return budget.charactersLeft < 0 ? '' : replaced;
    },
    key: (key, path) => {
      if (key.includes('${')) fault(path, 'is a key, and keys are not substituted');
    },
  };
}

function walk(value: unknown, path: string, replace: Replace): unknown {
  if (typeof value === 'string') {
    if (!value.includes('${')) return value;
    const replaced = replace.text(value, path);
    return wholePattern.test(value) && !isText(path) ? typed(replaced) : replaced;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    return value.map((inner, index) => walk(inner, `${path}[${index}]`, replace));
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const place = path === '' ? key : `${path}.${key}`;
      replace.key(key, place);
      return [key, walk(inner, place, replace)];
    }),
  );
}

/** Places that hold text in every Kubernetes kind, so that `"${version}"` there never becomes a number. */
const textPaths = [
  /^(?:apiVersion|kind|metadata\b)/,
  /^(?:data|stringData|binaryData)\./,
  /\.metadata\.(?:labels|annotations|name|namespace)\b/,
  /\.(?:matchLabels|nodeSelector|selector)\./,
  /\.env\[\d+\]\.value$/,
  /\.(?:args|command)\[\d+\]$/,
  /\.(?:image|name|namespace|hostname|host|path)$/,
];

const isText = (path: string): boolean => textPaths.some((pattern) => pattern.test(path));

/** A field that is one placeholder and nothing else may be a number or a truth value, as in `replicas: ${replicas}`. */
function typed(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  // Only what a number is written back as: `1.10` and `007` are names and stay text.
  const isNumber = /^-?\d+(?:\.\d+)?$/.test(text) && String(Number(text)) === text;
  return isNumber ? Number(text) : text;
}

import {
  groupOf,
  type KubernetesObject,
  objectKeyText,
  parseManifests,
  splitDocuments,
} from '@fairlead/shared/manifest';
import { ok, type Result } from '@fairlead/shared/result';
import { type RenderFailure, renderFailure } from './failure.ts';
import type { Rendered } from './rendering.ts';

export type ObjectLimits = {
  readonly outputBytesMax: number;
  readonly objectsMax: number;
  readonly depthMax: number;
};

export type ManifestText = {
  readonly source: string;
  readonly text: string;
  /** It holds what was decrypted, so no fault may quote it. */
  readonly isDecrypted?: boolean;
};

const faultsShownMax = 10;

/**
 * Reads manifests into objects, all faults at once. Documents are parsed one by one and the event loop runs between
 * them: a line that begins with `---` ends a YAML document wherever it stands, so cutting there is exact.
 */
export async function readObjects(
  texts: readonly ManifestText[],
  defaultNamespace: string,
  limits: ObjectLimits,
): Promise<Result<Rendered[], RenderFailure>> {
  const objects: Rendered[] = [];
  const faults: string[] = [];
  const claim = createClaims(defaultNamespace);
  for (const { source, text, isDecrypted = false } of texts) {
    let document = 0;
    for (const part of splitDocuments(text)) {
      document++;
      const place = document === 1 ? source : `${source}, document ${document}`;
      for (const object of parsePart({ text: part, source: place, isDecrypted }, limits, faults)) {
        const duplicate = claim(object, place);
        if (duplicate !== undefined) return renderFailure('object_duplicate', duplicate);
        objects.push({ object, isDecrypted });
      }
      if (objects.length > limits.objectsMax) {
        return renderFailure('limit_exceeded', `${place}: over ${limits.objectsMax} objects`);
      }
      if (document % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return faults.length > 0 ? renderFailure('object_invalid', listed(faults)) : ok(objects);
}

/** The same checks on objects that changed after they were read. */
export function checkObjects(
  rendered: readonly Rendered[],
  defaultNamespace: string,
  limits: ObjectLimits,
): Result<void, RenderFailure> {
  const faults: string[] = [];
  const claim = createClaims(defaultNamespace);
  for (const { object } of rendered) {
    const place = `${object.kind} ${object.metadata.name}`;
    const fault = objectFault(object, limits.depthMax);
    if (fault !== undefined) faults.push(`${object.kind} ${fault}`);
    const duplicate = claim(object, place);
    if (duplicate !== undefined) return renderFailure('object_duplicate', duplicate);
  }
  return faults.length > 0 ? renderFailure('object_invalid', listed(faults)) : ok(undefined);
}

/** The first faults, and how many more there are. */
export function listed(faults: readonly string[]): string {
  const more = faults.length > faultsShownMax ? `; and ${faults.length - faultsShownMax} more` : '';
  return faults.slice(0, faultsShownMax).join('; ') + more;
}

/** Says when an object is claimed a second time. */
function createClaims(defaultNamespace: string) {
  const places = new Map<string, string>();
  return (object: KubernetesObject, place: string): string | undefined => {
    const { apiVersion, kind, metadata } = object;
    const key = objectKeyText({
      group: groupOf(apiVersion),
      kind,
      namespace: metadata.namespace || defaultNamespace,
      name: metadata.name,
    });
    const earlier = places.get(key);
    places.set(key, place);
    return earlier === undefined
      ? undefined
      : `${place}: ${kind} ${metadata.name} is rendered already by ${earlier}`;
  };
}

function parsePart(
  { text, source: place, isDecrypted }: ManifestText,
  limits: ObjectLimits,
  faults: string[],
): readonly KubernetesObject[] {
  // A parser quotes what it cannot read.
  const quoted = (message: string): string =>
    isDecrypted ? `${place} holds no Kubernetes objects after decryption` : message;
  try {
    const { outputBytesMax: bytesMax, objectsMax } = limits;
    const parsed = parseManifests(text, place, { bytesMax, objectsMax });
    if (!parsed.ok) {
      faults.push(...parsed.error.map(({ message }) => quoted(`${place} ${message}`)));
      return [];
    }
    for (const object of parsed.value) {
      const fault = objectFault(object, limits.depthMax);
      if (fault !== undefined) faults.push(`${place}: ${object.kind} ${fault}`);
    }
    return parsed.value;
  } catch (error) {
    // Text nested deeper than the parser's stack.
    faults.push(quoted(`${place} cannot be read: ${(error as Error).message}`));
    return [];
  }
}

const labelledFields = ['labels', 'annotations'] as const;

function objectFault({ metadata, ...object }: KubernetesObject, depthMax: number) {
  const { name, namespace } = metadata;
  if (name.includes('/') || name.length > 253) return `has the name ${JSON.stringify(name)}`;
  if (namespace !== undefined && typeof namespace !== 'string')
    return 'has a namespace that is no text';
  for (const field of labelledFields) {
    const wrong = Object.entries(metadata[field] ?? {}).find(
      ([, value]) => typeof value !== 'string',
    );
    // YAML reads `on`, `1` and `1.10` as other things than text, and the API server refuses those.
    if (wrong !== undefined) return `${name}: ${field} value of ${wrong[0]} is no text; quote it`;
  }
  if (depthOf(object, depthMax) > depthMax) return `${name} is nested over ${depthMax} levels`;
  return undefined;
}

function depthOf(value: unknown, depthMax: number, depth = 0): number {
  if (typeof value !== 'object' || value === null || depth > depthMax) return depth;
  let deepest = depth;
  for (const inner of Object.values(value)) {
    deepest = Math.max(deepest, depthOf(inner, depthMax, depth + 1));
  }
  return deepest;
}

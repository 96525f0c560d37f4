import {
  groupOf,
  type KubernetesObject,
  objectKeyText,
  parseManifests,
  splitDocuments,
} from '@fairlead/shared/manifest';
import { ok, type Result } from '@fairlead/shared/result';
import { type RenderFailure, renderFailure } from './failure.ts';

export type ObjectLimits = {
  readonly outputBytesMax: number;
  readonly objectsMax: number;
  readonly depthMax: number;
};

export type ManifestText = { readonly source: string; readonly text: string };

const faultsShownMax = 10;

/**
 * Reads manifests into objects, all faults at once. Documents are parsed one by one and the event loop runs between
 * them: a line that begins with `---` ends a YAML document wherever it stands, so cutting there is exact.
 */
export async function readObjects(
  texts: readonly ManifestText[],
  defaultNamespace: string,
  limits: ObjectLimits,
): Promise<Result<KubernetesObject[], RenderFailure>> {
  const objects: KubernetesObject[] = [];
  const faults: string[] = [];
  const places = new Map<string, string>();
  for (const { source, text } of texts) {
    let document = 0;
    for (const part of splitDocuments(text)) {
      document++;
      const place = document === 1 ? source : `${source}, document ${document}`;
      for (const parsed of parsePart(part, place, limits, faults)) {
        const key = objectKeyText({
          group: groupOf(parsed.apiVersion),
          kind: parsed.kind,
          namespace: parsed.metadata.namespace || defaultNamespace,
          name: parsed.metadata.name,
        });
        const earlier = places.get(key);
        if (earlier !== undefined) {
          return renderFailure(
            'object_duplicate',
            `${place}: ${parsed.kind} ${parsed.metadata.name} is rendered already by ${earlier}`,
          );
        }
        places.set(key, place);
        objects.push(parsed);
      }
      if (objects.length > limits.objectsMax) {
        return renderFailure('limit_exceeded', `${place}: over ${limits.objectsMax} objects`);
      }
      if (document % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (faults.length > 0) {
    const more =
      faults.length > faultsShownMax ? `; and ${faults.length - faultsShownMax} more` : '';
    return renderFailure('object_invalid', faults.slice(0, faultsShownMax).join('; ') + more);
  }
  return ok(objects);
}

function parsePart(
  part: string,
  place: string,
  limits: ObjectLimits,
  faults: string[],
): readonly KubernetesObject[] {
  try {
    const { outputBytesMax: bytesMax, objectsMax } = limits;
    const parsed = parseManifests(part, place, { bytesMax, objectsMax });
    if (!parsed.ok) {
      faults.push(...parsed.error.map(({ message }) => `${place} ${message}`));
      return [];
    }
    for (const object of parsed.value) {
      const fault = objectFault(object, limits.depthMax);
      if (fault !== undefined) faults.push(`${place}: ${object.kind} ${fault}`);
    }
    return parsed.value;
  } catch (error) {
    // Text nested deeper than the parser's stack.
    faults.push(`${place} cannot be read: ${(error as Error).message}`);
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

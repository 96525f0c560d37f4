import { parseAllDocuments } from 'yaml';
import { err, ok, type Result } from '../result/index.ts';
import type { KubernetesObject } from './object.ts';

export type ManifestLimits = { readonly bytesMax: number; readonly objectsMax: number };
/** A fault in a manifest: `source` is the file or command, `document` counts from 1. */
export type ManifestFault = { source: string; document: number; message: string };

/**
 * Reads a YAML stream or JSON text into Kubernetes objects; `kind: List` is opened, empty documents are skipped.
 * All faults are returned at once. Aliases are bounded, so a "billion laughs" document is a fault, not an outage.
 */
export function parseManifests(
  text: string,
  source: string,
  limits: ManifestLimits,
): Result<KubernetesObject[], ManifestFault[]> {
  if (Buffer.byteLength(text) > limits.bytesMax) {
    return err([{ source, document: 0, message: `is larger than ${limits.bytesMax} bytes` }]);
  }
  const objects: KubernetesObject[] = [];
  const faults: ManifestFault[] = [];
  let document = 0;
  for (const parsed of parseAllDocuments(text, {
    merge: true,
    uniqueKeys: true,
    logLevel: 'error',
  })) {
    document++;
    if (parsed.errors.length > 0) {
      faults.push({ source, document, message: parsed.errors.map((e) => e.message).join('; ') });
      continue;
    }
    let value: unknown;
    try {
      value = parsed.toJS({ maxAliasCount: 1_000 });
    } catch (error) {
      faults.push({ source, document, message: String(error) });
      continue;
    }
    if (value === null || value === undefined) continue;
    collect(value, objects, (message) => faults.push({ source, document, message }));
    if (objects.length > limits.objectsMax) {
      return err([{ source, document, message: `holds more than ${limits.objectsMax} objects` }]);
    }
  }
  return faults.length > 0 ? err(faults) : ok(objects);
}

/**
 * An object with `generateName` alone would be a new one at each apply. Its name is completed by a digest of its content:
 * the same content is the same object, and other content is another.
 */
function nameByContent({ metadata, ...rest }: Partial<KubernetesObject>): void {
  if (typeof metadata !== 'object' || metadata === null || metadata.name !== undefined) return;
  const { generateName } = metadata as { generateName?: unknown };
  if (typeof generateName !== 'string' || generateName === '') return;
  metadata.name = generateName + digest(JSON.stringify([rest, metadata]));
  delete (metadata as { generateName?: unknown }).generateName;
}

/** FNV-1a in 32 bits: it tells a few hooks of one unit apart, and must not be secret. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

function collect(value: unknown, into: KubernetesObject[], fault: (message: string) => void): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fault(
      'is not a Kubernetes object: a mapping with apiVersion, kind and metadata.name is needed',
    );
    return;
  }
  const candidate = value as Partial<KubernetesObject> & { items?: unknown };
  if (candidate.kind === 'List' && Array.isArray(candidate.items)) {
    for (const item of candidate.items) collect(item, into, fault);
    return;
  }
  nameByContent(candidate);
  const missing = [
    typeof candidate.apiVersion === 'string' && candidate.apiVersion !== '' ? '' : 'apiVersion',
    typeof candidate.kind === 'string' && candidate.kind !== '' ? '' : 'kind',
    typeof candidate.metadata?.name === 'string' && candidate.metadata.name !== ''
      ? ''
      : 'metadata.name',
  ].filter((name) => name !== '');
  if (missing.length > 0) {
    fault(`lacks ${missing.join(', ')}${candidate.kind ? ` (kind ${candidate.kind})` : ''}`);
    return;
  }
  into.push(candidate as KubernetesObject);
}

import { CORE_SCHEMA, loadAll, mergeTag, YAMLException } from 'js-yaml';
import { err, ok, type Result } from '../result/index.ts';
import type { KubernetesObject } from './object.ts';

export type ManifestLimits = { readonly bytesMax: number; readonly objectsMax: number };
/** A fault in a manifest: `source` is the file or command, `document` counts from 1. */
export type ManifestFault = { source: string; document: number; message: string };

const aliasesMax = 1_000;
/** Values of one document after its aliases are followed. */
const aliasedValuesMax = 200_000;
const depthMax = 1_000;
const options = {
  schema: CORE_SCHEMA.withTags(mergeTag),
  maxAliases: aliasesMax,
  maxDepth: depthMax,
};

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
  for (const part of splitDocuments(text)) {
    document++;
    const fault = (message: string) => faults.push({ source, document, message });
    for (const value of valuesOf(part, fault)) {
      if (value !== null && value !== undefined) collect(value, objects, fault);
    }
    if (objects.length > limits.objectsMax) {
      return err([{ source, document, message: `holds more than ${limits.objectsMax} objects` }]);
    }
  }
  return faults.length > 0 ? err(faults) : ok(objects);
}

/**
 * The documents of a YAML stream, each with the `---` that begins it: such a line ends a document wherever it stands, so
 * cutting there is exact. Text with YAML directives is left whole, because a directive belongs to the document after it.
 */
export const splitDocuments = (text: string): string[] =>
  /^%/m.test(text) ? [text] : text.split(/^(?=---(?:\s|$))/m).filter((part) => part.trim() !== '');

/** The values of one document of `splitDocuments`, with the same limits; none where a fault was told. */
export function valuesOf(text: string, fault: (message: string) => void): readonly unknown[] {
  try {
    const values = loadAll(text, options);
    if (!text.includes('&') || !isLarger(values, aliasedValuesMax)) return values;
    fault(`its aliases stand for more than ${aliasedValuesMax} values`);
  } catch (error) {
    fault(faultText(error));
  }
  return [];
}

/** Says the place and the fault, and nothing of the text itself, which may hold secrets. */
function faultText(error: unknown): string {
  if (!(error instanceof YAMLException)) return 'cannot be read as YAML';
  const { reason, mark } = error;
  return mark === undefined || mark === null
    ? reason
    : `line ${mark.line + 1}, column ${mark.column + 1}: ${reason}`;
}

function isLarger(value: unknown, valuesMax: number): boolean {
  const pending: unknown[] = [value];
  for (let seen = 0; pending.length > 0; seen++) {
    if (seen + pending.length > valuesMax) return true;
    const next = pending.pop();
    if (typeof next === 'object' && next !== null) pending.push(...Object.values(next));
  }
  return false;
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

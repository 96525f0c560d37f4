import { type KubernetesObject, splitDocuments, valuesOf } from '@fairlead/shared/manifest';

/** An object of an input, with the id that its line gave it. */
export type FoundObject = { readonly object: KubernetesObject; readonly id?: string };

/** `document` counts from 1, over the documents or lines of one input. */
export type InputFault = { readonly document: number; readonly message: string };

export type Input = {
  readonly found: readonly FoundObject[];
  readonly faults: readonly InputFault[];
};

/**
 * The objects of a text: a YAML stream, one JSON value, JSON lines or an array; `List` kinds are opened, and so are lines
 * `{"object": …}`. What is wrong is told of each document, and the others are read.
 */
export function readObjects(text: string): Input {
  const found: FoundObject[] = [];
  const faults: InputFault[] = [];
  let document = 0;
  for (const value of documentsOf(text)) {
    document++;
    const fault = (message: string) => faults.push({ document, message });
    if (value instanceof Error) fault(value.message);
    else if (value !== null && value !== undefined) collect(value, found, fault);
  }
  return { found, faults };
}

function* documentsOf(text: string): Generator<unknown> {
  const start = text.search(/\S/);
  if (start < 0) return;
  if (text[start] === '{' || text[start] === '[') {
    const whole = fromJson(text);
    if (!(whole instanceof Error)) {
      yield whole;
      return;
    }
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    // The first line tells JSON lines from YAML that begins with a brace.
    if (lines.length > 1 && !(fromJson(lines[0] ?? '') instanceof Error)) {
      for (const line of lines) yield fromJson(line);
      return;
    }
  }
  yield* yamlDocuments(text);
}

const fromJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    return new Error(`is not JSON: ${(error as Error).message}`);
  }
};

/** Documents are read one by one, so that a fault spoils only its own. */
function* yamlDocuments(text: string): Generator<unknown> {
  for (const part of splitDocuments(text)) {
    const faults: Error[] = [];
    const values = valuesOf(part, (message) => faults.push(new Error(`is not YAML: ${message}`)));
    yield* faults.length > 0 ? faults : values;
  }
}

type Candidate = {
  apiVersion?: unknown;
  kind?: unknown;
  items?: unknown;
  object?: unknown;
  id?: unknown;
};

function collect(
  value: unknown,
  into: FoundObject[],
  fault: (message: string) => void,
  id?: string,
): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, into, fault, id);
    return;
  }
  if (typeof value !== 'object' || value === null) {
    fault('is not a Kubernetes object: a mapping with apiVersion and kind is needed');
    return;
  }
  const { apiVersion, kind, items, object, id: named } = value as Candidate;
  if (object !== undefined && apiVersion === undefined) {
    collect(object, into, fault, named === undefined ? id : String(named));
    return;
  }
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    for (const item of items) collect(withKindOf(item, kind, apiVersion), into, fault, id);
    return;
  }
  const missing = [
    ...(typeof apiVersion === 'string' && apiVersion !== '' ? [] : ['apiVersion']),
    ...(typeof kind === 'string' && kind !== '' ? [] : ['kind']),
  ];
  if (missing.length > 0) fault(`lacks ${missing.join(' and ')}: it is not a Kubernetes object`);
  else into.push({ object: value as KubernetesObject, ...(id === undefined ? {} : { id }) });
}

/** The API server leaves kind and version out of the items of a `PodList`. */
const withKindOf = (item: unknown, kind: string, apiVersion: unknown): unknown =>
  typeof item === 'object' && item !== null && kind !== 'List'
    ? { apiVersion, kind: kind.slice(0, -'List'.length), ...item }
    : item;

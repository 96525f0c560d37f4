import type { PipelineName, ProjectName, RepositoryName } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import { LineCounter, parseAllDocuments } from 'yaml';
import type { PipelineDefinition, RepositoryDefinition } from './definition.ts';
import { readNameOf } from './names.ts';
import { parsePipelineSpec } from './parse-pipeline.ts';
import { parseRepositorySpec } from './parse-repository.ts';
import {
  type Fault,
  fault,
  isAbsent,
  type Node,
  readChoice,
  readEntries,
  readMapping,
} from './reader.ts';

export type Resource = (
  | { readonly kind: 'Repository'; readonly definition: RepositoryDefinition }
  | { readonly kind: 'Pipeline'; readonly definition: PipelineDefinition }
) & {
  /** The document asks for the removal of what it defines; only the configuration repository may. */
  readonly remove?: true;
};

export const apiVersion = 'fairlead.dev/v1alpha1';
export const removeAnnotation = 'fairlead.dev/remove';
const documentsMax = 1_000;

/** Reads resources from a YAML stream or JSON; every fault of every document is returned at once. */
export function parseResources(text: string): Result<Resource[], Fault[]> {
  const { resources, faults } = readResources(text);
  if (faults.length === 0 && resources.length === 0) {
    faults.push({ path: 'document', message: 'holds no resource' });
  }
  return faults.length > 0 ? err(faults) : ok(resources);
}

/** The same for a text that may hold nothing, as a file with comments alone. */
export function readResources(text: string): { resources: Resource[]; faults: Fault[] } {
  const lines = new LineCounter();
  const faults: Fault[] = [];
  const resources: Resource[] = [];
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  let number = 0;
  for (const document of documents) {
    number++;
    if (number > documentsMax) {
      faults.push({ path: `document ${number}`, message: `at most ${documentsMax} are read` });
      break;
    }
    const place = `document ${number}`;
    if (document.errors.length > 0) {
      for (const { message, pos } of document.errors) {
        const line = lines.linePos(pos[0]).line;
        faults.push({ path: `${place}, line ${line}`, message: message.split('\n')[0] ?? '' });
      }
      continue;
    }
    const value = toValue(document);
    if (value === null || value === undefined) continue;
    const resource = parseResource(value, place, faults);
    if (resource) resources.push(resource);
  }
  findRepeated(resources, faults);
  return { resources, faults };
}

function toValue(document: ReturnType<typeof parseAllDocuments>[number]): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    return 'too many aliases';
  }
}

function parseResource(value: unknown, place: string, faults: Fault[]): Resource | undefined {
  const unnamed: Node = { value, path: `${place}: `, faults };
  const named = { ...unnamed, path: titleOf(value, place) };
  const before = faults.length;
  const at = readMapping(named, { known: ['apiVersion', 'kind', 'metadata', 'spec'] });
  if (faults.length > before && typeof value !== 'object') return undefined;
  if (at('apiVersion').value !== apiVersion) fault(at('apiVersion'), `must be ${apiVersion}`);
  if (isAbsent(at('kind'))) fault(at('kind'), 'is missing: Repository or Pipeline');
  const kind = readChoice(at('kind'), ['Repository', 'Pipeline'], 'Pipeline');
  const metadata = readMapping(at('metadata'), {
    known: ['name', 'project', 'labels', 'annotations'],
  });
  const project = isAbsent(metadata('project'))
    ? ('default' as ProjectName)
    : readNameOf<ProjectName>(metadata('project'));
  const name = readNameOf<PipelineName>(metadata('name'));
  const head = { name, project };
  const remove = readRemoval(metadata('annotations'));
  const resource: Resource =
    kind === 'Pipeline'
      ? { kind, definition: parsePipelineSpec(at('spec'), head) }
      : {
          kind,
          definition: parseRepositorySpec(at('spec'), {
            project,
            name: name as string as RepositoryName,
          }),
        };
  if (faults.length > before) return undefined;
  return remove ? { ...resource, remove } : resource;
}

function readRemoval(annotations: Node): true | undefined {
  const entry = readEntries(annotations).find(({ path }) => path.endsWith(`.${removeAnnotation}`));
  if (entry === undefined || entry.value === 'false') return undefined;
  if (entry.value !== 'true') fault(entry, 'must be "true" or "false", in quotes');
  return true;
}

/** `Pipeline checkout: `, so that a fault's place is clear in a stream of many documents. */
function titleOf(value: unknown, place: string): string {
  if (typeof value !== 'object' || value === null) return `${place}: `;
  const { kind, metadata } = value as { kind?: unknown; metadata?: { name?: unknown } };
  return typeof kind === 'string' && typeof metadata?.name === 'string'
    ? `${kind} ${metadata.name}: `
    : `${place}: `;
}

function findRepeated(resources: readonly Resource[], faults: Fault[]): void {
  const seen = new Set<string>();
  for (const { kind, definition } of resources) {
    const key = `${kind} ${definition.name}`;
    if (seen.has(key)) faults.push({ path: key, message: 'is in this text twice' });
    seen.add(key);
  }
}

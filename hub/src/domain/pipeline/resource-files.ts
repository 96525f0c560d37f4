import { err, ok, type Result } from '@fairlead/shared/result';
import type { Fault } from './reader.ts';
import { type Resource, readResources } from './resources.ts';

export type ResourceFile = { readonly path: string; readonly text: string };

/** A resource and the file that it was read from. */
export type PlacedResource = { readonly resource: Resource; readonly file: string };

/** Reads files as one set: every fault of every file at once, each with its file; no name may stand in two of them. */
export function parseResourceFiles(
  files: readonly ResourceFile[],
): Result<PlacedResource[], Fault[]> {
  const faults: Fault[] = [];
  const placed = new Map<string, PlacedResource>();
  for (const { path: file, text } of files) {
    const read = readResources(text);
    faults.push(...read.faults.map(({ path, message }) => ({ path: `${file}: ${path}`, message })));
    for (const resource of read.resources) {
      const title = titleOfResource(resource);
      const other = placed.get(title)?.file;
      if (other !== undefined && other !== file) {
        faults.push({ path: `${file}: ${title}`, message: `is in ${other} too` });
      }
      placed.set(title, { resource, file });
    }
  }
  // An empty set could only be a mistake, and nothing is ever removed by being absent.
  if (faults.length === 0 && placed.size === 0) {
    faults.push({ path: 'files', message: 'hold no resource' });
  }
  return faults.length > 0 ? err(faults) : ok([...placed.values()]);
}

/** `Pipeline checkout`, as faults name it. */
export const titleOfResource = ({ kind, definition }: Resource): string =>
  `${kind} ${definition.name}`;

import type { FieldSet } from '../drift/index.ts';
import type { FieldPath } from './field-path.ts';

/** Beyond it nothing is remembered, and a conflict is one of a field that was never ours. */
const fieldsMax = 2_048;

/**
 * The fields that we own after an apply, as 32-bit digests in base64: enough to tell later whether a field that another
 * manager holds was ours before (it was changed, which is drift) or never was (it is the other manager's). Two fields
 * with one digest are some one in four billion, and only mistake the one for the other.
 */
export function rememberFields(set: FieldSet | undefined): string {
  if (!set) return '';
  const digests: number[] = [];
  collect(set, seed, digests);
  if (digests.length > fieldsMax) return '';
  return Buffer.from(Uint32Array.from(digests).buffer).toString('base64');
}

export function remembers(memory: string, path: FieldPath): boolean {
  if (memory === '') return false;
  const bytes = Buffer.from(memory, 'base64');
  const wanted = path.reduce(extend, seed);
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    if (bytes.readUInt32LE(at) === wanted) return true;
  }
  return false;
}

/** Walks the set without making a path for each of its members, because it runs after every apply. */
function collect(set: FieldSet, digest: number, into: number[]): void {
  let isEmpty = true;
  for (const part in set) {
    isEmpty = false;
    if (part === '.') into.push(digest);
    else collect(set[part] as FieldSet, extend(digest, part), into);
  }
  if (isEmpty) into.push(digest);
}

// FNV-1a over the characters, with a character that no part holds between two of them.
const seed = 0x811c9dc5;
function extend(digest: number, part: string): number {
  let hash = digest;
  for (let index = 0; index < part.length; index++) {
    hash = Math.imul(hash ^ part.charCodeAt(index), 0x01000193);
  }
  return Math.imul(hash ^ 0xffff, 0x01000193) >>> 0;
}

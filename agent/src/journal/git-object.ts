import { createHash } from 'node:crypto';
import { err, ok, type Result } from '@fairlead/shared/result';

export type GitObjectKind = 'commit' | 'tree' | 'blob';
export type GitObject = { readonly kind: GitObjectKind; readonly data: Buffer };

export type GitTreeEntry = {
  readonly mode: 'file' | 'executable' | 'symlink' | 'folder' | 'submodule';
  readonly name: string;
  readonly id: string;
};

const modes: Readonly<Record<string, GitTreeEntry['mode']>> = {
  '100644': 'file',
  '100664': 'file',
  '100755': 'executable',
  '120000': 'symlink',
  '40000': 'folder',
  '160000': 'submodule',
};

const objectIdPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export const isObjectId = (text: string): boolean => objectIdPattern.test(text);

/** Git's identity of an object: the digest of `<kind> <size>\0` and the data; the id's length names the digest. */
export function hashGitObject(object: GitObject, idLength: number): string {
  return createHash(idLength === 64 ? 'sha256' : 'sha1')
    .update(`${object.kind} ${object.data.length}\0`)
    .update(object.data)
    .digest('hex');
}

/** The tree that a commit names in its first line. */
export function treeOfCommit(data: Buffer): Result<string, string> {
  const end = data.indexOf(0x0a);
  const line = data.subarray(0, end === -1 ? 0 : end).toString('latin1');
  const id = line.startsWith('tree ') ? line.slice('tree '.length) : '';
  return isObjectId(id) ? ok(id) : err('the commit names no tree');
}

/**
 * Reads a tree object and refuses what no honest repository holds and what could reach outside the folder when it is
 * written: empty, dotted, slashed or `.git` names, and names that differ by case alone.
 */
export function parseTree(data: Buffer, idLength: number): Result<GitTreeEntry[], string> {
  const entries: GitTreeEntry[] = [];
  const folded = new Set<string>();
  const idBytes = idLength / 2;
  let offset = 0;
  while (offset < data.length) {
    const space = data.indexOf(0x20, offset);
    const end = space === -1 ? -1 : data.indexOf(0, space);
    if (end === -1 || end + 1 + idBytes > data.length) return err('the tree is cut off');
    const modeText = data.subarray(offset, space).toString('latin1').replace(/^0+/, '');
    const mode = modes[modeText];
    const bytes = data.subarray(space + 1, end);
    const name = bytes.toString('utf8');
    const fault = mode === undefined ? `has the unknown mode ${modeText}` : nameFault(name, bytes);
    if (fault !== undefined) return err(`entry ${JSON.stringify(name.slice(0, 80))} ${fault}`);
    const id = data.subarray(end + 1, end + 1 + idBytes).toString('hex');
    const fold = name.normalize('NFC').toLowerCase();
    if (folded.has(fold)) return err(`entry ${JSON.stringify(name)} differs by case alone`);
    folded.add(fold);
    entries.push({ mode: mode as GitTreeEntry['mode'], name, id });
    offset = end + 1 + idBytes;
  }
  return ok(entries);
}

/** `.git` in the spellings that some file system folds to it (as Git's own fsck does). */
const gitFolderPattern = /^(?:\.git|git~\d+)[. ]*$/i;

function nameFault(name: string, bytes: Buffer): string | undefined {
  if (name === '') return 'has no name';
  if (name === '.' || name === '..') return 'is a path of its own';
  if (/[/\\]/.test(name)) return 'holds a path separator';
  if (bytes.length > 255) return 'is longer than 255 bytes';
  if (!Buffer.from(name, 'utf8').equals(bytes)) return 'is not UTF-8';
  if (/\p{Cc}/u.test(name)) return 'holds a control character';
  const visible = name.replace(/\p{Cf}/gu, '');
  if (gitFolderPattern.test(visible.split(':')[0] ?? '')) return 'is a name of Git itself';
  return undefined;
}

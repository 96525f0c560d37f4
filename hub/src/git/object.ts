import { type CommitId, parseCommitId } from '@fairlead/shared/ids';
import { subjectCharactersMax } from '../limits.ts';
import { GitError } from './git-error.ts';

/** A parsed commit. `committedAt` is the commit's own date in milliseconds: shown and never compared. */
export type Commit = {
  readonly id: CommitId;
  readonly tree: string;
  readonly parents: readonly CommitId[];
  readonly subject: string;
  /** What the message says that it reverts, in the words of `git revert`: believed by nobody but people. */
  readonly reverts?: CommitId;
  readonly authorName: string;
  readonly authorEmail: string;
  readonly committedAt: number;
};

export type TreeEntryKind = 'tree' | 'file' | 'executable' | 'symlink' | 'submodule';

export type TreeEntry = {
  readonly name: string;
  readonly kind: TreeEntryKind;
  /** Octal, as stored: two entries are equal when mode and id are. */
  readonly mode: string;
  readonly objectId: string;
};

/** Reads the format of gitformat-commit: header lines, an empty line, the message. */
export function parseCommit(id: CommitId, data: Uint8Array): Commit {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const headerEnd = bytes.indexOf('\n\n');
  const header = bytes.subarray(0, headerEnd === -1 ? bytes.length : headerEnd);
  const encoding = /^encoding (.+)$/m.exec(header.toString('latin1'))?.[1];
  const lines = decodeText(header, encoding).split('\n');
  // A line that starts with a space continues the header above it, such as a signature.
  const values = (name: string) =>
    lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
  const author = parsePerson(values('author')[0]);
  const committer = parsePerson(values('committer')[0]);
  const message = headerEnd === -1 ? '' : decodeText(bytes.subarray(headerEnd + 2), encoding);
  const reverts = /^This reverts commit ([0-9a-f]{40}|[0-9a-f]{64})\b/m.exec(message)?.[1];
  return {
    id,
    tree: values('tree')[0] ?? '',
    parents: values('parent').map(asCommitId),
    subject: subjectOf(message),
    ...(reverts === undefined ? {} : { reverts: asCommitId(reverts) }),
    authorName: printable(author.name),
    authorEmail: printable(author.email),
    committedAt: committer.at,
  };
}

/** Reads a tree's entries: `mode SP name NUL id`, the id in as many bytes as the repository's hash has. */
export function parseTree(treeId: string, data: Uint8Array): TreeEntry[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const idBytes = treeId.length / 2;
  const entries: TreeEntry[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const space = bytes.indexOf(0x20, offset);
    const nul = bytes.indexOf(0, space);
    if (space === -1 || nul === -1 || nul + idBytes >= bytes.length + 1) {
      throw new GitError('git_failed', `The tree ${treeId} is damaged.`);
    }
    const mode = bytes.toString('latin1', offset, space);
    entries.push({
      mode,
      kind: kindOf(mode),
      name: bytes.toString('utf8', space + 1, nul),
      objectId: bytes.toString('hex', nul + 1, nul + 1 + idBytes),
    });
    offset = nul + 1 + idBytes;
  }
  return entries;
}

function kindOf(mode: string): TreeEntryKind {
  if (mode === '40000' || mode === '040000') return 'tree';
  if (mode === '160000') return 'submodule';
  if (mode === '120000') return 'symlink';
  return mode === '100755' ? 'executable' : 'file';
}

export function asCommitId(text: string): CommitId {
  const parsed = parseCommitId(text);
  if (parsed.ok) return parsed.value;
  throw new GitError('git_failed', `Git gave "${text.slice(0, 80)}" where a commit id belongs.`);
}

function parsePerson(line = ''): { name: string; email: string; at: number } {
  const match = /^(.*?) ?<([^>]*)> (-?\d+) [-+]\d+$/.exec(line);
  return {
    name: match?.[1] ?? '',
    email: match?.[2] ?? '',
    at: Number(match?.[3] ?? 0) * 1_000,
  };
}

/** The first paragraph on one line, as `git log --format=%s` shows it. */
const subjectOf = (message: string): string =>
  printable((message.replace(/^\s*\n/, '').split(/\n\s*\n/)[0] ?? '').replace(/\s*\n\s*/g, ' '));

/** Commit texts are strangers' texts: control characters would reach terminals and logs. */
const printable = (text: string): string =>
  text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, subjectCharactersMax);

function decodeText(bytes: Uint8Array, encoding = 'utf-8'): string {
  try {
    return new TextDecoder(encoding).decode(bytes);
  } catch {
    return new TextDecoder('latin1').decode(bytes);
  }
}

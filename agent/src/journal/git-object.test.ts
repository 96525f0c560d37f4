import { describe, expect, it } from 'vitest';
import { hashGitObject, parseTree, treeOfCommit } from './git-object.ts';

const id = 'a'.repeat(40);
const entry = (mode: string, name: string | Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`${mode} `),
    Buffer.from(name),
    Buffer.from([0]),
    Buffer.from(id, 'hex'),
  ]);

describe('Git objects', () => {
  it('have the ids that Git gives them', () => {
    const empty = { kind: 'blob', data: Buffer.alloc(0) } as const;
    expect(hashGitObject(empty, 40)).toBe('e69de29bb2d1d6434b8b29ae775ad8c2e48c5391');
    expect(hashGitObject({ kind: 'tree', data: Buffer.alloc(0) }, 40)).toBe(
      '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
    );
    expect(hashGitObject(empty, 64)).toBe(
      '473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813',
    );
  });

  it('give the tree of a commit, and no commit without one is read', () => {
    expect(treeOfCommit(Buffer.from(`tree ${id}\nauthor a`))).toEqual({ ok: true, value: id });
    expect(treeOfCommit(Buffer.from('author a\n')).ok).toBe(false);
    expect(treeOfCommit(Buffer.alloc(0)).ok).toBe(false);
  });

  it('are read entry by entry', () => {
    const data = Buffer.concat([entry('100644', 'a.yaml'), entry('40000', 'b')]);
    expect(parseTree(data, 40)).toEqual({
      ok: true,
      value: [
        { mode: 'file', name: 'a.yaml', id },
        { mode: 'folder', name: 'b', id },
      ],
    });
  });

  const hostile: [string, Buffer][] = [
    ['..', entry('40000', '..')],
    ['.', entry('40000', '.')],
    ['an empty name', entry('100644', '')],
    ['a slash', entry('100644', 'a/b')],
    ['a backslash', entry('100644', 'a\\b')],
    ['.git', entry('40000', '.git')],
    ['.GIT', entry('40000', '.GIT')],
    ['git~1', entry('40000', 'git~1')],
    ['.git with an invisible character', entry('40000', '.g\u200cit')],
    ['.git with a stream suffix', entry('40000', '.git::$INDEX_ALLOCATION')],
    ['a control character', entry('100644', 'a\nb')],
    ['bytes that are not UTF-8', entry('100644', Buffer.from([0x61, 0xff]))],
    ['an unknown mode', entry('100000', 'a')],
    ['a long name', entry('100644', 'a'.repeat(256))],
    ['names that differ by case', Buffer.concat([entry('100644', 'A'), entry('100644', 'a')])],
    ['the same name twice', Buffer.concat([entry('100644', 'a'), entry('40000', 'a')])],
    ['a tree that is cut off', entry('100644', 'a').subarray(0, 20)],
  ];
  it.each(hostile)('S9: are refused with %s', (_name, data) => {
    expect(parseTree(data, 40).ok).toBe(false);
  });
});

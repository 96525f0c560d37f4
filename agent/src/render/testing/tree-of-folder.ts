import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { ok } from '@fairlead/shared/result';
import type { RenderTree } from '../index.ts';

/** A folder of this machine as the tree that it is named by. */
export const treeOfFolder = (directory: string): RenderTree => ({
  id: basename(directory),
  files: readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => {
      const path = relative(directory, join(entry.parentPath, entry.name));
      return { path, mode: entry.isSymbolicLink() ? 'symlink' : 'file', id: path } as const;
    }),
  read: ({ path }) => readFile(join(directory, path)),
  folder: async () => ok(directory),
});

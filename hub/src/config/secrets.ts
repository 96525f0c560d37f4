import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Secret, secret } from '@fairlead/shared/config';

/** Reads `<folder>/<secret>/<key>`, the layout in which Kubernetes mounts secrets; `undefined` when there is none. */
export type ReadSecret = (name: string, key: string) => Promise<Secret | undefined>;

const namePattern = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i;

/** The file is read at each use, so a rotated secret counts at once. */
export function createSecretReader(directory: string): ReadSecret {
  return async (name, key) => {
    if (!namePattern.test(name) || !namePattern.test(key)) return undefined;
    try {
      return secret((await readFile(join(directory, name, key), 'utf8')).replace(/\r?\n$/, ''));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };
}

import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The content, or `undefined` when there is no such file. Refuses a file that others may read. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new Error(
        `${path} holds secrets but others may read it (mode ${(mode & 0o777).toString(8)}). ` +
          `Find out who did, then run: chmod 600 ${path}`,
      );
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a new file; where another process was first, its content stays and is returned. */
export async function createPrivateFile(path: string, content: string): Promise<string> {
  const temporary = await writeTemporary(path, content);
  try {
    // A hard link fails when the name exists, so two processes cannot both believe that theirs is the file.
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const existing = await readPrivateFile(path);
    if (existing === undefined) throw error;
    return existing;
  } finally {
    await unlink(temporary);
  }
  await syncDirectory(dirname(path));
  return content;
}

/** Puts new content in place of the old one; a reader sees either, never a part. */
export async function replacePrivateFile(path: string, content: string): Promise<void> {
  await rename(await writeTemporary(path, content), path);
  await syncDirectory(dirname(path));
}

async function writeTemporary(path: string, content: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  return temporary;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

import {
  closeSync,
  fdatasync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  writevSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { smallFileBytesMax } from '../limits.ts';

// A unit costs some sixty file operations. For a file of a few pages that the kernel holds already, the way through the
// thread pool and back costs ten times the operation itself; only what may wait for a disk, or is large, goes there.

const syncData = promisify(fdatasync);

/** Rejects as `readFile` does when the file cannot be read. */
export async function readSmallFile(file: string): Promise<Buffer> {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    if (size <= smallFileBytesMax) {
      const content = Buffer.allocUnsafe(size);
      return content.subarray(0, readSync(descriptor, content, 0, size, 0));
    }
  } finally {
    closeSync(descriptor);
  }
  return readFile(file);
}

/** On disk under its name when it resolves; a crash before leaves nothing under that name. */
export async function writeWhole(
  file: string,
  temporary: string,
  parts: readonly Buffer[],
): Promise<void> {
  const descriptor = openSync(temporary, 'wx', 0o600);
  try {
    writevSync(descriptor, parts);
    await syncData(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}

import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Rendered } from './rendering.ts';

export type RenderCache = {
  /** Undefined when it is not there, or not as it was written, or sealed by another key. */
  readonly read: (key: string, sealKey?: Buffer) => Promise<Rendered[] | undefined>;
  /** With a key, what is on disk can be read with that key alone. */
  readonly write: (key: string, objects: readonly Rendered[], sealKey?: Buffer) => Promise<void>;
};

export type RenderCacheLimits = { readonly entriesMax: number; readonly bytesMax: number };

const digestOf = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** The cache key of everything that shapes a rendering. */
export const renderKey = (parts: readonly unknown[]): string => digestOf(JSON.stringify(parts));

/**
 * Rendered objects on disk, so that an unchanged unit costs no process after a restart either. The file's first line is
 * the digest of the rest: a torn entry is a miss and never a smaller set of objects.
 */
export function createRenderCache(directory: string, limits: RenderCacheLimits): RenderCache {
  let writes = 0;
  const fileOf = (key: string): string => join(directory, `${key}.json`);

  const prune = async (): Promise<void> => {
    const entries: { file: string; bytes: number; usedAtMs: number }[] = [];
    for (const name of await readdir(directory)) {
      const file = join(directory, name);
      const status = await stat(file).catch(() => undefined);
      if (status !== undefined) {
        entries.push({ file, bytes: status.size, usedAtMs: status.mtimeMs });
      }
    }
    entries.sort((left, right) => right.usedAtMs - left.usedAtMs);
    let bytes = 0;
    for (const [index, entry] of entries.entries()) {
      bytes += entry.bytes;
      if (index >= limits.entriesMax || bytes > limits.bytesMax) {
        await rm(entry.file, { force: true });
      }
    }
  };

  return {
    read: async (key, sealKey) => {
      const file = fileOf(key);
      const content = await readFile(file).catch(() => undefined);
      if (content === undefined) return undefined;
      const end = content.indexOf(0x0a);
      const body = content.subarray(end + 1);
      if (end === -1 || content.subarray(0, end).toString('latin1') !== digestOf(body)) {
        await rm(file, { force: true });
        return undefined;
      }
      const opened = sealKey === undefined ? body : unseal(body, sealKey);
      if (opened === undefined) return undefined;
      const now = new Date();
      await utimes(file, now, now).catch(() => undefined);
      return JSON.parse(opened.toString('utf8')) as Rendered[];
    },

    write: async (key, objects, sealKey) => {
      const text = Buffer.from(JSON.stringify(objects));
      const body = sealKey === undefined ? text : seal(text, sealKey);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const temporary = `${fileOf(key)}.${process.pid}.${++writes}.part`;
      // Rendered Secrets are among the objects, so nobody else may read it.
      const content = Buffer.concat([Buffer.from(`${digestOf(body)}\n`), body]);
      await writeFile(temporary, content, { mode: 0o600, flag: 'wx' });
      await rename(temporary, fileOf(key));
      if (writes % 64 === 1) await prune();
    },
  };
}

const nonceBytes = 12;
const tagBytes = 16;

/** AES-256-GCM: the nonce, the ciphertext, the tag. */
function seal(text: Buffer, key: Buffer): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

function unseal(body: Buffer, key: Buffer): Buffer | undefined {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, body.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAuthTag(body.subarray(-tagBytes));
    return Buffer.concat([decipher.update(body.subarray(nonceBytes, -tagBytes)), decipher.final()]);
  } catch {
    return undefined;
  }
}

import { type FetchTreeResponse, type GitObjectChunk, GitObjectType } from '@fairlead/proto';
import {
  type GitObjectKind,
  hashGitObject,
  isObjectId,
  type NamedGitObject,
  type ObjectStore,
} from '../journal/index.ts';
import {
  gitKnownObjectsMax,
  gitObjectBytesMax,
  gitTreeBytesMax,
  gitTreeObjectsMax,
  gitWriteBytesMax,
  gitWriteObjectsMax,
} from '../limits.ts';

const kinds: Readonly<Record<number, GitObjectKind>> = {
  [GitObjectType.GIT_OBJECT_TYPE_COMMIT]: 'commit',
  [GitObjectType.GIT_OBJECT_TYPE_TREE]: 'tree',
  [GitObjectType.GIT_OBJECT_TYPE_BLOB]: 'blob',
};

/**
 * Puts chunks together to objects and stores each one that has the digest it is named by; `stored` holds ids that are not
 * stored again. `take` says in words what is wrong with a message.
 */
export function createReception(
  objects: Pick<ObjectStore, 'writeHashed'>,
  idLength: number,
  stored: Set<string>,
) {
  const received = new Set<string>();
  const waiting: NamedGitObject[] = [];
  let waitingBytes = 0;
  let open:
    | { first: GitObjectChunk; kind: GitObjectKind; parts: Buffer[]; bytes: number }
    | undefined;
  let bytesTotal = 0;
  let total: number | undefined;

  const take = async ({ part }: FetchTreeResponse): Promise<string | undefined> => {
    if (total !== undefined) return 'something after the end';
    if (part === undefined) return 'a message without content';
    if (part.$case === 'complete') {
      if (open !== undefined) return 'the end within an object';
      total = part.complete.objectsTotal;
      await flush();
      return total === received.size ? undefined : `${received.size} objects, and says ${total}`;
    }
    const { chunk } = part;
    if (open === undefined) {
      const kind = kinds[chunk.type];
      if (kind === undefined) return `an object of the unknown kind ${chunk.type}`;
      if (!isObjectId(chunk.objectId) || chunk.objectId.length !== idLength) return 'a wrong id';
      if (chunk.sizeBytes > gitObjectBytesMax) {
        return `an object of ${chunk.sizeBytes} bytes; the limit is ${gitObjectBytesMax}`;
      }
      bytesTotal += chunk.sizeBytes;
      if (bytesTotal > gitTreeBytesMax) return `over ${gitTreeBytesMax} bytes`;
      if (received.size >= gitTreeObjectsMax) return `over ${gitTreeObjectsMax} objects`;
      open = { first: chunk, kind, parts: [], bytes: 0 };
    }
    const { first, kind, parts } = open;
    if (chunk.objectId !== first.objectId || chunk.offsetBytes !== open.bytes) {
      return 'chunks out of order';
    }
    parts.push(chunk.data);
    open.bytes += chunk.data.length;
    if (open.bytes > first.sizeBytes) return 'more bytes than it said';
    if (open.bytes < first.sizeBytes) {
      return chunk.data.length === 0 ? 'an empty chunk' : undefined;
    }
    open = undefined;
    received.add(first.objectId);
    // Trees above many roots come with each of them; what the store holds under an id is what that id says.
    if (stored.has(first.objectId)) return undefined;
    const object = { kind, data: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts) };
    if (hashGitObject(object, idLength) !== first.objectId) return 'an object with another digest';
    waiting.push({ ...object, id: first.objectId });
    waitingBytes += object.data.length;
    if (waiting.length >= gitWriteObjectsMax || waitingBytes >= gitWriteBytesMax) await flush();
    return undefined;
  };

  const flush = async (): Promise<void> => {
    const batch = waiting.splice(0);
    waitingBytes = 0;
    if (batch.length > 0) await objects.writeHashed(batch);
    for (const { id } of batch) {
      if (stored.size >= gitKnownObjectsMax) stored.clear();
      stored.add(id);
    }
  };

  return {
    take,
    /** The ids of all objects that came; undefined when the hub stopped in the middle. */
    end: (): ReadonlySet<string> | undefined => (total === undefined ? undefined : received),
  };
}

import {
  type FetchTreeResponse,
  type GitObjectChunk,
  GitObjectType,
  type LinkServiceClient,
} from '@fairlead/proto';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Clock } from '@fairlead/shared/time';
import { status } from '@grpc/grpc-js';
import type { Assignment } from '../domain/link/index.ts';
import {
  createPathTrees,
  type GitObjectKind,
  hashGitObject,
  isObjectId,
  type Journal,
  knownAlong,
  type NamedGitObject,
  type ObjectStore,
  type OpenedTree,
  type TreeFolders,
  type TreeName,
  type WalkFailure,
  walkTree,
} from '../journal/index.ts';
import {
  fetchDurationMsMax,
  fetchesInFlightMax,
  fetchHaveCommitsMax,
  fetchIdleMsMax,
  fetchLinkIdleMs,
  gitKnownObjectsMax,
  gitObjectBytesMax,
  gitTreeBytesMax,
  gitTreeObjectsMax,
  gitWriteBytesMax,
  gitWriteObjectsMax,
} from '../limits.ts';
import type { LoadTree, StepFailure, Tree } from '../reconcile/index.ts';
import { failureOf, openLink } from './channel.ts';
import type { HubIdentity } from './hub-identity.ts';
import type { IdentitySource } from './identity.ts';

export type FetchDependencies = {
  readonly identity: Pick<IdentitySource, 'current'>;
  readonly journal: Pick<Journal, 'isComplete' | 'markComplete' | 'completeCommits' | 'forgetTree'>;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  /** Ends every fetch. */
  readonly signal: AbortSignal;
};

export type FetchTree = (
  assignment: Assignment,
  signal: AbortSignal,
) => Promise<Result<void, StepFailure>>;

const passing = (message: string): Result<never, StepFailure> => err({ message, terminal: false });
/** The same commit would be refused again. */
const final = (message: string): Result<never, StepFailure> => err({ message, terminal: true });

const kinds: Readonly<Record<number, GitObjectKind>> = {
  [GitObjectType.GIT_OBJECT_TYPE_COMMIT]: 'commit',
  [GitObjectType.GIT_OBJECT_TYPE_TREE]: 'tree',
  [GitObjectType.GIT_OBJECT_TYPE_BLOB]: 'blob',
};

/**
 * Brings the tree of an assignment into the object store. The transport is not trusted: each object is hashed, and the
 * tree counts as complete only when the commit leads to everything below the root and to everything that was sent.
 * Units with the same commit and root share one fetch.
 */
export function createFetchTree(dependencies: FetchDependencies): FetchTree {
  const { identity, journal, objects, clock } = dependencies;
  const underWay = new Map<string, Promise<Result<void, StepFailure>>>();
  const links = createFetchLinks();
  const inTurn = createPlaces(fetchesInFlightMax);
  let pathTrees = createPathTrees();
  const stored = new Set<string>();

  const receive = async (
    assignment: Assignment,
    haveCommits: readonly string[],
  ): Promise<Result<Set<string>, StepFailure>> => {
    const current = identity.current();
    if (current === undefined) return passing('the agent has no identity yet');
    const link = links.take(current);
    const { pipeline, stage, commit, root } = assignment;
    const deadline = Date.now() + fetchDurationMsMax;
    const haveObjects = knownAlong(pathTrees, commit, root);
    const request = { pipeline, stage, commit, root, haveCommits: [...haveCommits], haveObjects };
    const call = link.client.fetchTree(request, { deadline });
    const cancel = (): void => call.cancel();
    const watchdog = setTimeout(cancel, fetchIdleMsMax);
    dependencies.signal.addEventListener('abort', cancel, { once: true });
    if (dependencies.signal.aborted) cancel();
    const reception = createReception(objects, commit.length, stored);
    try {
      for await (const response of call as AsyncIterable<FetchTreeResponse>) {
        watchdog.refresh();
        const fault = await reception.take(response);
        if (fault !== undefined) return passing(`the hub sent ${fault}`);
      }
      return reception.end();
    } catch (error) {
      const failure = failureOf(error);
      if (failure.code === status.UNAVAILABLE) link.drop();
      if (failure.code === status.NOT_FOUND) return final(failure.message);
      const unassigned = failure.code === status.PERMISSION_DENIED;
      return passing(
        unassigned
          ? 'the hub says that this commit is not assigned to this cluster any more'
          : `the tree cannot be fetched: ${failure.message}`,
      );
    } finally {
      clearTimeout(watchdog);
      dependencies.signal.removeEventListener('abort', cancel);
      call.on('error', () => undefined);
      call.cancel();
      link.release();
    }
  };

  const fetch = async (
    assignment: Assignment,
    tree: TreeName,
  ): Promise<Result<void, StepFailure>> => {
    const have = journal.completeCommits(tree.repository, tree.root, fetchHaveCommitsMax);
    for (const haveCommits of have.length === 0 ? [[]] : [have, []]) {
      const received = await receive(assignment, haveCommits);
      if (!received.ok) return received;
      const walked = await walkTree(objects.read, tree.commit, tree.root, pathTrees);
      if (walked.ok) {
        const foreign = [...received.value].filter((id) => !walked.value.objectIds.has(id));
        if (foreign.length > 0) {
          for (const id of foreign) await objects.remove(id);
          return passing(`the hub sent ${foreign.length} object(s) that the commit does not name`);
        }
        journal.markComplete(tree, clock.now());
        return ok(undefined);
      }
      if (walked.error.kind === 'refused') return final(walked.error.message);
      // Something is not there that was thought to be; nothing is taken for stored any more.
      stored.clear();
      pathTrees = createPathTrees();
      // What the agent said to have is not all there any more: ask for everything once.
      for (const commit of haveCommits) journal.forgetTree({ ...tree, commit });
      if (haveCommits.length === 0) {
        return passing(`the hub sent a part of the tree only: ${walked.error.message}`);
      }
    }
    return passing('the tree is incomplete');
  };

  return async (assignment, signal) => {
    const { repository, commit, root } = assignment;
    const tree = { repository, commit, root };
    if (journal.isComplete(tree)) {
      journal.markComplete(tree, clock.now());
      return ok(undefined);
    }
    const key = `${repository}:${commit}:${root}`;
    const running =
      underWay.get(key) ??
      inTurn(() => fetch(assignment, tree)).finally(() => underWay.delete(key));
    underWay.set(key, running);
    return orEnded(running, signal);
  };
}

type FetchLink = {
  readonly client: LinkServiceClient;
  readonly release: () => void;
  /** The next fetch connects anew. */
  readonly drop: () => void;
};

/** One connection for fetches close together: a TLS handshake costs more than most trees. */
function createFetchLinks() {
  type Held = { client: LinkServiceClient; serial: string; users: number; idle?: NodeJS.Timeout };
  let held: Held | undefined;
  const closeUnused = (link: Held): void => {
    clearTimeout(link.idle);
    if (link.users === 0) link.client.close();
  };
  const retire = (link: Held): void => {
    if (held === link) held = undefined;
    closeUnused(link);
  };

  return {
    take: (identity: HubIdentity): FetchLink => {
      if (held && held.serial !== identity.serial) retire(held);
      held ??= { client: openLink(identity), serial: identity.serial, users: 0 };
      const link = held;
      clearTimeout(link.idle);
      link.users++;
      return {
        client: link.client,
        drop: () => retire(link),
        release: () => {
          link.users--;
          if (link.users > 0) return;
          if (held !== link) closeUnused(link);
          else link.idle = setTimeout(() => retire(link), fetchLinkIdleMs).unref();
        },
      };
    },
  };
}

/** Lets so many tasks run at once; others wait in order. */
function createPlaces(placesMax: number) {
  const waiting: (() => void)[] = [];
  let taken = 0;
  return async <Value>(task: () => Promise<Value>): Promise<Value> => {
    if (taken >= placesMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else taken++;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else taken--;
    }
  };
}

/** One caller's end does not end a fetch that others wait for. */
function orEnded(
  running: Promise<Result<void, StepFailure>>,
  signal: AbortSignal,
): Promise<Result<void, StepFailure>> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(passing('ended'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    running.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
  });
}

/** Puts chunks together to objects and stores each one that has the digest it is named by. */
function createReception(objects: ObjectStore, idLength: number, stored: Set<string>) {
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
    end: (): Result<Set<string>, StepFailure> =>
      total === undefined ? passing('the hub stopped within the tree') : ok(received),
  };
}

/** Fetches, if need be, and opens the tree. A damaged object is fetched again once. */
export function createLoadTree(
  fetchTree: FetchTree,
  folders: TreeFolders,
  journal: Pick<Journal, 'forgetTree'>,
): LoadTree {
  return async (assignment, signal) => {
    const { repository, commit, root } = assignment;
    for (let attempt = 1; ; attempt++) {
      const fetched = await fetchTree(assignment, signal);
      if (!fetched.ok) return fetched;
      const opened = await folders.open(commit, root);
      if (opened.ok) return ok(treeOf(opened.value));
      const failure = failed(opened.error);
      if (failure.terminal || attempt === 2) return err(failure);
    }

    function failed({ kind, message }: WalkFailure): StepFailure {
      // What is missing is fetched again by the next try.
      if (kind === 'missing') journal.forgetTree({ repository, commit, root });
      return { message, terminal: kind === 'refused' };
    }
    function treeOf({ id, files, read, folder }: OpenedTree): Tree {
      return {
        id,
        files,
        read: async (file) => {
          const content = await read(file);
          if (content === undefined) failed({ kind: 'missing', message: file.path });
          return content;
        },
        folder: async () => {
          const written = await folder();
          return written.ok ? written : err(failed(written.error));
        },
      };
    }
  };
}

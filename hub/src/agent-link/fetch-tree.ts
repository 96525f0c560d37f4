import { type FetchTreeRequest, type FetchTreeResponse, GitObjectType } from '@fairlead/proto';
import { type ClusterId, type CommitId, parseCommitId } from '@fairlead/shared/ids';
import { type ServerWritableStream, status } from '@grpc/grpc-js';
import type { Assignment, VerificationOrder } from '../domain/rollout/index.ts';
import { isGitError } from '../git/index.ts';
import {
  treeChunkBytesMax,
  treeFetchesMax,
  treeFetchesPerClusterMax,
  treeFurtherBytesMax,
  treeFurtherMax,
  treeHaveCommitsMax,
  treeHaveObjectsMax,
} from '../limits.ts';
import { CallError, type Peer, send } from './call.ts';
import type { TreeObject, TreeObjects } from './ports.ts';

type Have = { readonly haveCommits: CommitId[]; readonly haveObjects: ReadonlySet<string> };
type Call = ServerWritableStream<FetchTreeRequest, FetchTreeResponse>;

export type FetchTreeOptions = {
  readonly assignment: (
    cluster: ClusterId,
    pipeline: string,
    stage: string,
  ) => Assignment | undefined | Promise<Assignment | undefined>;
  /** Open runs of verifications. */
  readonly ordersOf: (cluster: ClusterId) => readonly VerificationOrder[];
  readonly treeObjects: TreeObjects;
  /** What the cluster is asked a plan of at this moment. */
  readonly askedOf: (cluster: ClusterId, request: FetchTreeRequest) => Assignment | undefined;
};

const typeNumbers = {
  commit: GitObjectType.GIT_OBJECT_TYPE_COMMIT,
  tree: GitObjectType.GIT_OBJECT_TYPE_TREE,
  blob: GitObjectType.GIT_OBJECT_TYPE_BLOB,
} as const;

/** Sends the content of an assignment to the cluster that it is for, as fast as the cluster reads and no faster. */
export function createTreeSender(options: FetchTreeOptions) {
  const underWay = new Map<ClusterId, number>();
  let total = 0;

  /** The content of each assignment in turn; what is wrong with the first one's is the answer, and a further one is left out. */
  async function* objectsOf(assignments: readonly Assignment[], have: Have) {
    const sent = new Set<string>();
    let bytes = 0;
    for (const [index, { repository, commit, root }] of assignments.entries()) {
      if (index > 0 && bytes > treeFurtherBytesMax) return;
      try {
        const request = { repository, commit, root, sent, ...have };
        for await (const object of options.treeObjects(request)) {
          bytes += object.data.byteLength;
          yield object;
        }
      } catch (error) {
        if (!isGitError(error)) throw error;
        if (index > 0) return;
        // What is wrong with the commit's content is for the people who wrote it. A path that a commit lacks it lacks for ever.
        const isMissing = isGitError(error, 'path_not_found');
        const code = isMissing ? status.NOT_FOUND : status.FAILED_PRECONDITION;
        throw new CallError(code, error.message);
      }
    }
  }

  const sendTrees = async (call: Call, assignments: readonly Assignment[], have: Have) => {
    let objectsTotal = 0;
    for await (const object of objectsOf(assignments, have)) {
      objectsTotal++;
      for (const chunk of chunksOf(object)) {
        if (!(await send(call, { part: { $case: 'chunk', chunk } }))) return;
      }
    }
    await send(call, { part: { $case: 'complete', complete: { objectsTotal } } });
  };

  const assignmentOf = async (
    peer: Peer,
    request: FetchTreeRequest,
  ): Promise<Assignment | undefined> => {
    const { pipeline, stage, commit, root } = request;
    const isMeant = (assignment: Assignment | undefined) =>
      assignment?.pipeline === pipeline &&
      assignment.stage === stage &&
      assignment.commit === commit &&
      assignment.root === root;
    const ordered = (): Assignment | undefined =>
      options.ordersOf(peer.clusterId).find((order) => isMeant(order.assignment))?.assignment;
    return (
      [
        options.askedOf(peer.clusterId, request),
        await options.assignment(peer.clusterId, pipeline, stage),
      ].find(isMeant) ?? ordered()
    );
  };

  return async (call: Call, peer: Peer): Promise<void> => {
    const have = haveOf(call.request);
    const assignment = await assignmentOf(peer, call.request);
    if (assignment === undefined) {
      throw new CallError(
        status.PERMISSION_DENIED,
        'this cluster is not assigned this commit and root',
      );
    }
    const assignments = [assignment];
    for (const further of call.request.further.slice(0, treeFurtherMax)) {
      const other = await assignmentOf(peer, { ...call.request, ...further });
      if (other?.repository === assignment.repository) assignments.push(other);
    }
    const ofCluster = underWay.get(peer.clusterId) ?? 0;
    if (ofCluster >= treeFetchesPerClusterMax || total >= treeFetchesMax) {
      throw new CallError(status.RESOURCE_EXHAUSTED, 'too many fetches at once; try again');
    }
    underWay.set(peer.clusterId, ofCluster + 1);
    total++;
    try {
      await sendTrees(call, assignments, have);
    } finally {
      total--;
      const left = (underWay.get(peer.clusterId) ?? 1) - 1;
      if (left === 0) underWay.delete(peer.clusterId);
      else underWay.set(peer.clusterId, left);
    }
  };
}

function haveOf({ haveCommits, haveObjects }: FetchTreeRequest): Have {
  if (haveObjects.length > treeHaveObjectsMax) {
    throw new CallError(
      status.INVALID_ARGUMENT,
      `${haveObjects.length} known objects; at most ${treeHaveObjectsMax} are read`,
    );
  }
  return { haveCommits: commitsOf(haveCommits), haveObjects: new Set(haveObjects) };
}

function commitsOf(texts: readonly string[]): CommitId[] {
  if (texts.length > treeHaveCommitsMax) {
    throw new CallError(
      status.INVALID_ARGUMENT,
      `${texts.length} known commits; at most ${treeHaveCommitsMax} are read`,
    );
  }
  return texts.map((text) => {
    const commit = parseCommitId(text);
    if (commit.ok) return commit.value;
    throw new CallError(status.INVALID_ARGUMENT, `have_commits: ${commit.error}`);
  });
}

/** An object without content still has one chunk, so that the receiver hears of it. */
function* chunksOf({ oid, type, data }: TreeObject) {
  let offset = 0;
  do {
    yield {
      objectId: oid,
      type: typeNumbers[type],
      sizeBytes: data.byteLength,
      offsetBytes: offset,
      data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).subarray(
        offset,
        offset + treeChunkBytesMax,
      ),
    };
    offset += treeChunkBytesMax;
  } while (offset < data.byteLength);
}

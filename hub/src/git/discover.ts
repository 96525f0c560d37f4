import type { CommitId, PipelineName, StageName } from '@fairlead/shared/ids';
import type { MatchRule } from '../domain/pipeline/definition.ts';
import type { FoundRelease } from '../domain/promotion/index.ts';
import { discoveryCommitsMax, initialHistoryCommitsMax } from '../limits.ts';
import { isGitError } from './git-error.ts';
import { mixedText } from './match-rules.ts';
import type { Commit } from './object.ts';
import { createPathFilter, type PathFilter } from './path-filter.ts';
import type { Git } from './port.ts';
import { changedPaths, readCommit } from './tree.ts';
import { createTreeReader, type TreeReader } from './tree-reader.ts';
import { firstParentWalk } from './walk.ts';

export type PipelineToDiscover = {
  readonly name: PipelineName;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Its releases so far, also those that a force-push dropped, and the commit that may become the next one. */
  readonly known: readonly CommitId[];
  /** What is found out of each release besides; left out, nothing is. */
  readonly content?: ReleaseContent;
};

export type ReleaseContent = {
  /** Of the definition that the rest is from. */
  readonly revision: number;
  /** The folder that everything of the pipeline is in. */
  readonly root: string;
  /** Those that not every release concerns. */
  readonly stages: readonly { readonly name: StageName; readonly concernedBy: readonly string[] }[];
  readonly mustMatch: readonly MatchRule[];
  /** Not each matching commit is a release: after a force-push the newest one is offered, however old it is. */
  readonly selective: boolean;
};

export type DiscoverRequest = {
  readonly git: Pick<Git, 'readObject' | 'countFirstParents' | 'unreachableFrom'>;
  readonly directory: string;
  /** What `fetchMirror` returned. */
  readonly head: CommitId;
  /** The head of the last recorded discovery; none at the first. */
  readonly previousHead?: CommitId;
  readonly pipelines: readonly PipelineToDiscover[];
  /** Kept from look to look, so that history without a release is searched once. */
  readonly memory?: DiscoveryMemory;
};

/** The head below which a pipeline's filter has matched nothing; losing it costs one more search. */
export type DiscoveryMemory = Map<string, CommitId>;

export type PipelineDiscovery = {
  readonly name: PipelineName;
  /** New ones, oldest first. */
  readonly releases: readonly FoundRelease[];
  /** Of the known and the new ones those that the branch contains: known first, then as in `releases`. */
  readonly onBranch: readonly CommitId[];
};

export type Discovery = {
  readonly head: CommitId;
  /** How the branch got from the previous head to this one; `forced` when it dropped commits. */
  readonly move: 'first' | 'none' | 'forward' | 'forced';
  /** In the order of the request; when the head has not moved, only those with new releases. */
  readonly pipelines: readonly PipelineDiscovery[];
};

type Search = {
  readonly pipeline: PipelineToDiscover;
  readonly known: ReadonlySet<CommitId>;
  readonly filter: PathFilter;
  /** By the index of `content.stages`. */
  readonly concerns: readonly PathFilter[];
  readonly found: FoundRelease[];
  /** Also older commits are looked at, until the first match that is a release. */
  readonly needsFirst: boolean;
  /** Whether the newest commit that matches was seen: a known release, or one that was found. */
  newestSeen: boolean;
};

/**
 * Finds every pipeline's new releases in one walk of the first-parent line, each commit read once for all pipelines.
 * Only positions count, never dates. Commits since the previous head are all examined; a pipeline without releases gets
 * the newest one of the last 500 commits as its first.
 */
export async function discover(request: DiscoverRequest): Promise<Discovery> {
  const { git, directory, head, previousHead } = request;
  const searches = request.pipelines.map((pipeline) => searchOf(request, pipeline));
  // Most looks end here.
  if (head === previousHead && !searches.some(({ needsFirst }) => needsFirst)) {
    return { head, move: 'none', pipelines: [] };
  }
  const headPosition = await git.countFirstParents(directory, head);
  const examinedTo = await lastExaminedPosition(request, headPosition);
  const isForced = await hasDropped(request);
  await search(request, { headPosition, examinedTo, isForced, searches });
  remember(request, searches);

  // Without a move nothing known can have come or gone.
  const told = head === previousHead ? searches.filter(({ found }) => found.length > 0) : searches;
  const asked = new Set([
    ...told.flatMap(({ pipeline }) => pipeline.known),
    ...(previousHead ? [previousHead] : []),
  ]);
  const gone = await git.unreachableFrom(directory, head, [...asked]);
  return {
    head,
    move: moveOf(head, previousHead, gone),
    pipelines: told.map(({ pipeline, found }) => ({
      name: pipeline.name,
      releases: found.toReversed(),
      onBranch: [
        ...pipeline.known.filter((commit) => !gone.has(commit)),
        ...found.toReversed().map(({ commit }) => commit),
      ],
    })),
  };
}

/** Asked for only where the answer changes what is searched. */
async function hasDropped({
  git,
  directory,
  head,
  previousHead,
  pipelines,
}: DiscoverRequest): Promise<boolean> {
  const matters = pipelines.some(({ content }) => content?.selective);
  if (!matters || previousHead === undefined || previousHead === head) return false;
  return (await git.unreachableFrom(directory, head, [previousHead])).has(previousHead);
}

function moveOf(
  head: CommitId,
  previousHead: CommitId | undefined,
  gone: ReadonlySet<CommitId>,
): Discovery['move'] {
  if (previousHead === undefined) return 'first';
  if (previousHead === head) return 'none';
  return gone.has(previousHead) ? 'forced' : 'forward';
}

function searchOf(
  { directory, previousHead, memory }: DiscoverRequest,
  pipeline: PipelineToDiscover,
): Search {
  const { known, include, exclude, content } = pipeline;
  const searchedHead = memory?.get(memoryKey(directory, pipeline));
  return {
    pipeline,
    known: new Set(known),
    filter: createPathFilter(include, exclude),
    concerns: (content?.stages ?? []).map(({ concernedBy }) => createPathFilter(concernedBy, [])),
    found: [],
    newestSeen: false,
    needsFirst: known.length === 0 && (searchedHead === undefined || searchedHead !== previousHead),
  };
}

function remember({ directory, head, memory }: DiscoverRequest, searches: readonly Search[]): void {
  for (const { pipeline, known, found } of searches) {
    const key = memoryKey(directory, pipeline);
    if (known.size === 0 && found.length === 0) memory?.set(key, head);
    else memory?.delete(key);
  }
}

const memoryKey = (directory: string, { name, include, exclude }: PipelineToDiscover): string =>
  JSON.stringify([directory, name, include, exclude]);

async function search(
  { git, directory, head }: DiscoverRequest,
  {
    headPosition,
    examinedTo,
    isForced,
    searches,
  }: {
    headPosition: number;
    examinedTo: number;
    isForced: boolean;
    searches: readonly Search[];
  },
): Promise<void> {
  let position = headPosition;
  const trees = createTreeReader(git, directory);
  const limit = Math.max(initialHistoryCommitsMax, headPosition - examinedTo);
  for await (const commit of firstParentWalk(git, directory, { from: head, limit })) {
    const isNew = position > examinedTo;
    const isRecent = headPosition - position < initialHistoryCommitsMax;
    const open = searches.filter((search) => isNew || (isRecent && wantsOlder(search, isForced)));
    if (open.length === 0) return;
    const paths = await changedPaths(git, directory, commit);
    for (const one of open) {
      const included = paths.filter(one.filter);
      if (included.length === 0) continue;
      if (!one.known.has(commit.id)) {
        const release = await releaseOf(one, { git, directory, trees, commit, position, included });
        // Of what is older and no release, only the newest is worth telling.
        if (isNew || !one.newestSeen || release.mixed === undefined) one.found.push(release);
      }
      one.newestSeen = true;
    }
    position--;
  }
}

/** A pipeline without a release looks for its first; after a force-push the newest commit may be one that was none before. */
function wantsOlder(
  { pipeline, needsFirst, found, newestSeen }: Search,
  isForced: boolean,
): boolean {
  if (needsFirst && !found.some(({ mixed }) => mixed === undefined)) return true;
  return isForced && pipeline.content?.selective === true && !newestSeen;
}

async function releaseOf(
  { pipeline: { content }, concerns }: Search,
  {
    git,
    directory,
    trees,
    commit,
    position,
    included,
  }: {
    git: Pick<Git, 'readObject'>;
    directory: string;
    trees: TreeReader;
    commit: Commit;
    position: number;
    included: readonly string[];
  },
): Promise<FoundRelease> {
  const { id, tree, subject, authorName, authorEmail, committedAt, reverts } = commit;
  const release = { commit: id, position, subject, authorName, authorEmail, committedAt };
  const said = reverts === undefined ? release : { ...release, reverts };
  if (content === undefined) return said;
  const { revision, root, stages, mustMatch: rules } = content;
  const folder = await trees.find(tree, root);
  const untouched = stages
    .filter((_, index) => !included.some((path) => concerns[index]?.(path)))
    .map(({ name }) => name);
  const mixed = await mixedText(git, directory, { rules, tree, trees });
  return {
    ...said,
    ...(folder === undefined ? {} : { tree: folder.objectId }),
    ...(stages.length === 0 ? {} : { unconcerned: { revision, stages: untouched } }),
    ...(mixed === undefined ? {} : { mixed }),
  };
}

/**
 * The position up to which the line was examined before: that of the newest commit that the lines of both heads share.
 * Without a previous head nothing is new, and only first releases are looked for.
 */
async function lastExaminedPosition(
  request: DiscoverRequest,
  headPosition: number,
): Promise<number> {
  const { git, directory, head, previousHead } = request;
  if (previousHead === undefined || previousHead === head) return headPosition;
  const oldest = Math.max(0, headPosition - discoveryCommitsMax);
  if (!(await holds(git, directory, previousHead))) {
    return lastKnownPosition(request, headPosition, oldest);
  }
  const current = { id: head as CommitId | undefined, position: headPosition };
  const previous = {
    id: previousHead as CommitId | undefined,
    position: await git.countFirstParents(directory, previousHead),
  };
  const stepDown = async (line: { id: CommitId | undefined; position: number }) => {
    line.id = line.id && (await readCommit(git, directory, line.id)).parents[0];
    line.position--;
  };
  // A commit has one position on every first-parent line that it is on, so the lines can meet only at equal positions.
  while (current.position > oldest && current.id !== previous.id) {
    const higher = current.position >= previous.position;
    if (previous.position >= current.position) await stepDown(previous);
    if (higher) await stepDown(current);
  }
  return current.position;
}

/** A mirror that was made anew does not hold what a force-push dropped before. */
async function holds(
  git: DiscoverRequest['git'],
  directory: string,
  commit: CommitId,
): Promise<boolean> {
  try {
    await readCommit(git, directory, commit);
    return true;
  } catch (error) {
    if (isGitError(error, 'object_not_found')) return false;
    throw error;
  }
}

/** The newest known release on the line: all pipelines were examined up to it together. */
async function lastKnownPosition(
  { git, directory, head, pipelines }: DiscoverRequest,
  headPosition: number,
  oldest: number,
): Promise<number> {
  const known = new Set(pipelines.flatMap((pipeline) => pipeline.known));
  let position = headPosition;
  const limit = headPosition - oldest;
  for await (const commit of firstParentWalk(git, directory, { from: head, limit })) {
    if (known.has(commit.id)) return position;
    position--;
  }
  return headPosition;
}

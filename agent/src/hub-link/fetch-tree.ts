import type { FetchTreeRequest, FetchTreeResponse } from '@fairlead/proto';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Clock } from '@fairlead/shared/time';
import { status } from '@grpc/grpc-js';
import type { Assignment } from '../domain/link/index.ts';
import {
  createPathTrees,
  type Journal,
  knownAlong,
  type ObjectStore,
  type OpenedTree,
  type TreeFolders,
  type TreeName,
  type WalkFailure,
  walkTree,
} from '../journal/index.ts';
import {
  fetchDurationMsMax,
  fetchedTogetherMax,
  fetchesInFlightMax,
  fetchHaveCommitsMax,
  fetchHaveObjectsMax,
  fetchIdleMsMax,
} from '../limits.ts';
import type { LoadTree, StepFailure, Tree } from '../reconcile/index.ts';
import { failureOf } from './channel.ts';
import { createFetchLinks } from './fetch-link.ts';
import { createFetchQueue } from './fetch-queue.ts';
import type { IdentitySource } from './identity.ts';
import { createReception } from './reception.ts';

export type FetchDependencies = {
  readonly identity: Pick<IdentitySource, 'current'>;
  readonly journal: Pick<Journal, 'isComplete' | 'markComplete' | 'completeCommits' | 'forgetTree'>;
  readonly objects: ObjectStore;
  /** What is wanted soon of the same commit, the next first. */
  readonly upcoming: (like: Assignment) => Promise<readonly Assignment[]>;
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

type Fetched = Result<void, StepFailure>;

type Job = {
  readonly assignment: Assignment;
  readonly tree: TreeName;
  /** Commits whose content below the root the agent has whole. */
  readonly have: readonly string[];
  /** A call with others did not bring it. */
  readonly isAlone?: boolean;
  readonly end: (fetched: Fetched | Promise<Fetched>) => void;
};

/**
 * Brings the tree of an assignment into the object store. The transport is not trusted: each object is hashed, and the
 * tree counts as complete only when the commit leads to everything below the root and to everything that was sent.
 * Units with the same commit and root share one fetch; fetches of one commit that wait for a place share one call, and what
 * is wanted soon comes along.
 */
export function createFetchTree(dependencies: FetchDependencies): FetchTree {
  const { identity, journal, objects, clock } = dependencies;
  const underWay = new Map<string, Promise<Fetched>>();
  /** Trees in the company of others, with the end of their call. */
  const comingAlong = new Map<string, Promise<void>>();
  const links = createFetchLinks();
  let pathTrees = createPathTrees();
  const stored = new Set<string>();

  const receive = async (
    assignments: readonly [Assignment, ...Assignment[]],
    haveCommits: readonly string[],
  ): Promise<Result<ReadonlySet<string>, StepFailure>> => {
    const current = identity.current();
    if (current === undefined) return passing('the agent has no identity yet');
    const link = links.take(current);
    const [{ pipeline, stage, commit, root }, ...others] = assignments;
    const along = new Set(assignments.flatMap((one) => knownAlong(pathTrees, commit, one.root)));
    const request: FetchTreeRequest = {
      pipeline,
      stage,
      commit,
      root,
      haveCommits: [...haveCommits],
      haveObjects: [...along].slice(0, fetchHaveObjectsMax),
      further: others.map((one) => ({ pipeline: one.pipeline, stage: one.stage, root: one.root })),
    };
    const call = link.client.fetchTree(request, { deadline: Date.now() + fetchDurationMsMax });
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
      const received = reception.end();
      return received ? ok(received) : passing('the hub stopped within the tree');
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

  const fetchAlone = async ({ assignment, tree, have }: Job): Promise<Fetched> => {
    for (const haveCommits of have.length === 0 ? [[]] : [have, []]) {
      const received = await receive([assignment], haveCommits);
      if (!received.ok) return received;
      const walked = await walkTree(objects.read, tree.commit, tree.root, pathTrees);
      if (walked.ok) {
        const foreign = [...received.value].filter((id) => !walked.value.objectIds.has(id));
        if (foreign.length > 0) {
          for (const id of foreign) {
            await objects.remove(id);
            stored.delete(id);
          }
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

  /** One call for all of them and for what is wanted soon; returns the jobs that it did not bring whole, for whatever reason. */
  const fetchTogether = async (
    jobs: readonly [Job, ...Job[]],
    upcoming: readonly Assignment[],
  ): Promise<readonly Job[]> => {
    const [first, ...others] = jobs;
    const further = [...others.map(({ assignment }) => assignment), ...upcoming];
    const received = await receive([first.assignment, ...further], first.have);
    if (!received.ok) return jobs;
    const foreign = new Set(received.value);
    const whole = new Set<string>();
    const trees = [...jobs.map(({ tree }) => tree), ...upcoming.map(treeNameOf)];
    for (const { commit, root } of trees) {
      const walked = await walkTree(objects.read, commit, root, pathTrees);
      if (!walked.ok) continue;
      whole.add(root);
      for (const id of walked.value.objectIds) foreign.delete(id);
    }
    // What came of a root that is not whole belongs to nothing yet; what belongs to none at all is for a fetch alone to tell.
    if (foreign.size > 0 && whole.size === trees.length) return jobs;
    for (const tree of trees) if (whole.has(tree.root)) journal.markComplete(tree, clock.now());
    return jobs.filter(({ tree, end }) => {
      const isWhole = whole.has(tree.root);
      if (isWhole) end(ok(undefined));
      return !isWhole;
    });
  };

  /** What may come along until the call is over: nobody fetches it, and the agent has the same commits of it. */
  const companyOf = async (
    [{ assignment, have, isAlone }, ...others]: readonly [Job, ...Job[]],
    over: Promise<void>,
  ): Promise<readonly Assignment[]> => {
    if (isAlone) return [];
    const company: Assignment[] = [];
    for (const next of await dependencies.upcoming(assignment)) {
      if (company.length + others.length + 1 >= fetchedTogetherMax) break;
      const tree = treeNameOf(next);
      const key = keyOf(tree);
      const isUnderWay = underWay.has(key) || comingAlong.has(key);
      if (isUnderWay || journal.isComplete(tree)) continue;
      if (haveOf(tree).join() !== have.join()) continue;
      comingAlong.set(key, over);
      company.push(next);
    }
    return company;
  };
  const haveOf = ({ repository, root }: TreeName) =>
    journal.completeCommits(repository, root, fetchHaveCommitsMax);

  const enqueue: (job: Job) => void = createFetchQueue<Job>({
    placesMax: fetchesInFlightMax,
    togetherMax: fetchedTogetherMax,
    isAlike: (first, other) =>
      !first.isAlone &&
      !other.isAlone &&
      first.tree.repository === other.tree.repository &&
      first.tree.commit === other.tree.commit &&
      first.have.join() === other.have.join(),
    run: async (jobs) => {
      const [first, ...others] = jobs;
      const over = Promise.withResolvers<void>();
      try {
        const company = await companyOf(jobs, over.promise).catch(() => []);
        if (others.length + company.length === 0) {
          const fetched = fetchAlone(first);
          first.end(fetched);
          await Promise.allSettled([fetched]);
          return;
        }
        const left = await fetchTogether(jobs, company).catch(() => jobs);
        for (const job of left) enqueue({ ...job, isAlone: true });
      } finally {
        for (const [key, end] of comingAlong) if (end === over.promise) comingAlong.delete(key);
        over.resolve();
      }
    },
  });

  const fetch = async (assignment: Assignment): Promise<Fetched> => {
    const tree = treeNameOf(assignment);
    await comingAlong.get(keyOf(tree));
    if (journal.isComplete(tree)) {
      journal.markComplete(tree, clock.now());
      return ok(undefined);
    }
    return new Promise((end) => enqueue({ assignment, tree, have: haveOf(tree), end }));
  };

  return (assignment, signal) => {
    const key = keyOf(treeNameOf(assignment));
    const fetched = underWay.get(key) ?? fetch(assignment).finally(() => underWay.delete(key));
    underWay.set(key, fetched);
    return orEnded(fetched, signal);
  };
}

const treeNameOf = ({ repository, commit, root }: Assignment): TreeName => ({
  repository,
  commit,
  root,
});
const keyOf = ({ repository, commit, root }: TreeName): string => `${repository}:${commit}:${root}`;

/** One caller's end does not end a fetch that others wait for. */
function orEnded(fetched: Promise<Fetched>, signal: AbortSignal): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(passing('ended'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    fetched.finally(() => signal.removeEventListener('abort', onAbort)).then(resolve, reject);
  });
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

import fs from 'node:fs';
import type { CommitId } from '@fairlead/shared/ids';
import git from 'isomorphic-git';
import { treeBlobBytesMax } from '../../limits.ts';
import { GitError } from '../git-error.ts';
import { authorization } from '../native/environment.ts';
import { asCommitId, parseCommit } from '../object.ts';
import type { FetchRequest, Git, GitObjectType, PushRequest, RemoteRequest } from '../port.ts';
import { checkBranchName, parseRemoteUrl } from '../remote-url.ts';
import { createHttpClient } from './http-client.ts';

const remoteName = 'fairlead';

/**
 * `Git` in JavaScript alone, for where there is no binary: over http and https, with several times the memory and time.
 */
export function createIsomorphicGit(): Git {
  /** isomorphic-git keeps pack indexes in here; a fetch starts a new one, so that a removed pack is forgotten. */
  const caches = new Map<string, object>();
  const cacheOf = (directory: string): object => {
    const cache = caches.get(directory) ?? {};
    caches.set(directory, cache);
    return cache;
  };

  const readObject: Git['readObject'] = async (
    directory,
    objectId,
    bytesMax = treeBlobBytesMax,
  ) => {
    const found = await git
      .readObject({
        fs,
        gitdir: directory,
        oid: objectId,
        format: 'content',
        cache: cacheOf(directory),
      })
      .catch((error: unknown) => {
        throw new GitError(
          'object_not_found',
          `The mirror does not hold the object ${objectId}.`,
          error,
        );
      });
    const data = found.object as Uint8Array;
    if (data.byteLength <= bytesMax) return { type: found.type as GitObjectType, data };
    throw new GitError(
      'limit_exceeded',
      `The object ${objectId} has ${data.byteLength} bytes; at most ${bytesMax} are read.`,
    );
  };
  const parentsOf = async (directory: string, commit: CommitId) =>
    parseCommit(commit, (await readObject(directory, commit)).data).parents;

  return {
    readObject,
    fetchMirror: async (request) => {
      const head = await fetchBranch(request, {});
      caches.delete(request.directory);
      return { head };
    },
    countFirstParents: async (directory, commit) => {
      let count = 0;
      for (let next: CommitId | undefined = commit; next !== undefined; count++) {
        next = (await parentsOf(directory, next))[0];
      }
      return count;
    },
    unreachableFrom: async (directory, head, commits) => {
      const unreachable = new Set(commits);
      const seen = new Set([head]);
      for (const commit of seen) {
        unreachable.delete(commit);
        if (unreachable.size === 0) break;
        for (const parent of await parentsOf(directory, commit)) seen.add(parent);
      }
      return unreachable;
    },
    keepRef: async (directory, commit) => {
      await readObject(directory, commit);
      const ref = `refs/fairlead/releases/${commit}`;
      await git.writeRef({ fs, gitdir: directory, ref, value: commit, force: true });
    },
    listRemoteRefs: async (request) => {
      const { url, prefix, signal } = request;
      try {
        const listed = await git.listServerRefs({
          http: createHttpClient(signal),
          url: httpUrlOf(request),
          prefix,
          headers: headersOf(request.credentials),
        });
        return new Map(listed.map(({ ref, oid }) => [ref, asCommitId(oid)]));
      } catch (error) {
        throw fetchFailure({ ...request, branch: prefix, directory: url }, error);
      }
    },
    pushRef: async (request) => {
      const { directory, ref, commit, expected, signal } = request;
      checkBranchName(ref.replace(/^refs\/heads\//, ''));
      const source = `refs/fairlead/releases/${commit}`;
      let seen = '';
      try {
        const { ok, refs } = await git.push({
          fs,
          http: createHttpClient(signal),
          gitdir: directory,
          cache: cacheOf(directory),
          url: httpUrlOf(request),
          remote: remoteName,
          ref: source,
          remoteRef: ref,
          force: true,
          headers: headersOf(request.credentials),
          // The push itself names what the remote holds, so the host refuses one that comes second.
          onPrePush: ({ remoteRef }) => {
            seen = /^0+$/.test(remoteRef.oid) ? '' : remoteRef.oid;
            return seen === (expected ?? '');
          },
        });
        const refusal = ok ? undefined : (refs[ref]?.error ?? 'no reason given');
        if (refusal !== undefined) throw pushRefused(request, refusal);
      } catch (error) {
        const { code } = error as { code?: string };
        if (seen !== (expected ?? '')) throw pushRefused(request, 'it holds something else', error);
        if (code === 'GitPushError' || code === 'PushRejectedError') {
          throw pushRefused(request, 'the host refused it', error);
        }
        throw fetchFailure({ ...request, branch: ref }, error);
      }
    },
    keptRefs: async (directory) => {
      const refs = await git.listRefs({
        fs,
        gitdir: directory,
        filepath: 'refs/fairlead/releases',
      });
      return new Set(refs as CommitId[]);
    },
    dropRef: (directory, commit) =>
      git.deleteRef({ fs, gitdir: directory, ref: `refs/fairlead/releases/${commit}` }),
    close: async () => caches.clear(),
  };
}

const pushRefused = (request: PushRequest, reason: string, cause?: unknown): GitError =>
  new GitError('push_refused', `${request.url} did not take ${request.ref}: ${reason}`, cause);

const headersOf = (credentials: FetchRequest['credentials']): Record<string, string> =>
  credentials && credentials.kind !== 'ssh-key'
    ? { Authorization: authorization(credentials) }
    : {};

/** The address, if it is one that JavaScript alone can talk to. */
function httpUrlOf({ url, credentials }: RemoteRequest): string {
  const remote = parseRemoteUrl(url, false);
  if (remote.protocol !== 'ssh' && credentials?.kind !== 'ssh-key') return remote.url;
  throw new GitError(
    'url_refused',
    `${url} needs the git binary: install Git 2.36 or later, or use an https address.`,
  );
}

async function fetchBranch(request: FetchRequest, cache: object): Promise<CommitId> {
  const { branch, directory, credentials, signal } = request;
  checkBranchName(branch);
  const url = httpUrlOf(request);
  await makeMirror(directory);
  const ref = `refs/fairlead/branch/${branch}`;
  try {
    const { fetchHead } = await git.fetch({
      fs,
      http: createHttpClient(signal),
      gitdir: directory,
      cache,
      url,
      remote: remoteName,
      // What the mirror has whole; isomorphic-git moves its own refs before the objects are written, so they do not count.
      ref,
      remoteRef: `refs/heads/${branch}`,
      singleBranch: true,
      tags: false,
      headers: headersOf(credentials),
    });
    if (fetchHead === null) throw branchNotFound(request);
    await git.writeRef({ fs, gitdir: directory, ref, value: fetchHead, force: true });
    return asCommitId(fetchHead);
  } catch (error) {
    throw fetchFailure(request, error);
  }
}

async function makeMirror(gitdir: string): Promise<void> {
  if (fs.existsSync(`${gitdir}/HEAD`)) return;
  fs.mkdirSync(gitdir, { recursive: true });
  await git.init({ fs, gitdir, bare: true });
  const set = (path: string, value: string) => git.setConfig({ fs, gitdir, path, value });
  await set('gc.auto', '0');
  await set(`remote.${remoteName}.url`, 'none');
  await set(`remote.${remoteName}.fetch`, '+refs/heads/*:refs/fairlead/incoming/*');
}

function fetchFailure(request: FetchRequest, error: unknown): unknown {
  if (error instanceof GitError) return error;
  const { code, data, name, message } = error as {
    code?: string;
    data?: { statusCode?: number };
    name?: string;
    message?: string;
  };
  if (request.signal?.aborted || name === 'AbortError') {
    return new GitError('aborted', 'The Git operation was ended by the hub.', error);
  }
  if (name === 'TimeoutError') {
    return new GitError('timed_out', `Fetching ${request.url} took too long.`, error);
  }
  if (code === 'NotFoundError') return branchNotFound(request, error);
  if (code === 'HttpError' && (data?.statusCode === 401 || data?.statusCode === 403)) {
    return new GitError(
      'authentication_failed',
      request.credentials
        ? `${request.url} does not accept the repository's credentials: renew its secret.`
        : `${request.url} asks for credentials: name a secret in spec.credentials.`,
      error,
    );
  }
  if (code === 'HttpError' || message === 'fetch failed' || code === 'SmartHttpError') {
    return new GitError('repository_unreachable', `${request.url} could not be reached.`, error);
  }
  return new GitError('git_failed', `Fetching ${request.url} failed.`, error);
}

const branchNotFound = (request: FetchRequest, cause?: unknown) =>
  new GitError('branch_not_found', `${request.url} has no branch "${request.branch}".`, cause);

import type { CommitId } from '@fairlead/shared/ids';
import { treeDepthMax } from '../limits.ts';
import { GitError } from './git-error.ts';
import type { TreeEntry } from './object.ts';
import type { Git } from './port.ts';
import { pathParts, readTree, resolvePath } from './tree.ts';

export type FilesRequest = {
  readonly commit: CommitId;
  /** A folder, of which everything below is looked at, or one file. */
  readonly path: string;
  readonly isWanted: (path: string) => boolean;
  readonly filesMax: number;
  readonly fileBytesMax: number;
  readonly totalBytesMax: number;
};

/**
 * The wanted files below a path at exactly one commit, in the order of their paths. `path_not_found` where there is
 * nothing, `limit_exceeded` names the limit; what is wanted and no plain file is an error rather than left away.
 */
export async function readFiles(
  git: Pick<Git, 'readObject'>,
  directory: string,
  request: FilesRequest,
): Promise<{ path: string; data: Uint8Array }[]> {
  const { commit, path, isWanted, filesMax, fileBytesMax, totalBytesMax } = request;
  const files: { path: string; data: Uint8Array }[] = [];
  let bytesTotal = 0;

  const readFile = async (entry: TreeEntry, place: string) => {
    if (entry.kind === 'symlink' || entry.kind === 'submodule') {
      const code = entry.kind === 'submodule' ? 'submodule_found' : 'path_not_found';
      throw new GitError(code, `"${place}" is a ${entry.kind}, which is not followed.`);
    }
    if (files.length >= filesMax) {
      throw new GitError('limit_exceeded', `"${path}" holds more than ${filesMax} files.`);
    }
    const { data } = await git.readObject(directory, entry.objectId, fileBytesMax);
    bytesTotal += data.byteLength;
    if (bytesTotal > totalBytesMax) {
      throw new GitError('limit_exceeded', `"${path}" holds more than ${totalBytesMax} bytes.`);
    }
    files.push({ path: place, data });
  };
  const walk = async (treeId: string, prefix: readonly string[]): Promise<void> => {
    if (prefix.length > treeDepthMax) {
      throw new GitError('limit_exceeded', `"${path}" is deeper than ${treeDepthMax} folders.`);
    }
    for (const entry of await readTree(git, directory, treeId)) {
      const parts = [...prefix, entry.name];
      const place = parts.join('/');
      if (entry.kind === 'tree') await walk(entry.objectId, parts);
      else if (isWanted(place)) await readFile(entry, place);
    }
  };

  const top = await resolvePath(git, directory, { commit, path });
  const parts = pathParts(path);
  if (top.kind === 'tree') await walk(top.objectId, parts);
  else await readFile(top, parts.join('/'));
  return files.sort((left, right) => (left.path < right.path ? -1 : 1));
}

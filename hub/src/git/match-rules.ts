import type { MatchRule } from '../domain/pipeline/definition.ts';
import { matchedFileBytesMax } from '../limits.ts';
import { isGitError } from './git-error.ts';
import type { Git } from './port.ts';
import type { TreeReader } from './tree-reader.ts';

/**
 * What does not agree at a commit, in words, or nothing: in all files of a rule its pattern's first group must read the same
 * text. A file that is not there, or says nothing, does not agree.
 */
export async function mixedText(
  git: Pick<Git, 'readObject'>,
  directory: string,
  { rules, tree, trees }: { rules: readonly MatchRule[]; tree: string; trees: TreeReader },
): Promise<string | undefined> {
  const faults: string[] = [];
  for (const { paths, pattern } of rules) {
    const expression = new RegExp(pattern, 'mu');
    const values: { path: string; value: string | undefined }[] = [];
    for (const path of paths) {
      const file = await trees.find(tree, path);
      const isFile = file !== undefined && file.kind !== 'tree' && file.kind !== 'submodule';
      const text = isFile ? await readText(git, directory, file.objectId) : undefined;
      values.push({ path, value: text === undefined ? undefined : expression.exec(text)?.[1] });
    }
    const [first] = values;
    const agree = values.every(({ value }) => value !== undefined && value === first?.value);
    if (!agree) faults.push(values.map(said).join(', '));
  }
  return faults.length === 0 ? undefined : faults.join('; ').slice(0, mixedCharactersMax);
}

const mixedCharactersMax = 1_000;
const valueCharactersMax = 80;

const said = ({ path, value }: { path: string; value: string | undefined }): string =>
  value === undefined
    ? `${path} says nothing`
    : `${path} says ${value.replace(/\p{Cc}+/gu, ' ').slice(0, valueCharactersMax)}`;

/** A file above the limit says nothing: it is none that a person writes a version into. */
async function readText(
  git: Pick<Git, 'readObject'>,
  directory: string,
  objectId: string,
): Promise<string | undefined> {
  try {
    const { data } = await git.readObject(directory, objectId, matchedFileBytesMax);
    return Buffer.from(data).toString('utf8');
  } catch (error) {
    if (isGitError(error, 'limit_exceeded')) return undefined;
    throw error;
  }
}

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ok, type Result } from '@fairlead/shared/result';
import { smallFileBytesMax, smallFilesInRowMax } from '../limits.ts';
import { type RenderFailure, renderFailure } from './failure.ts';
import { type ManifestText, readObjects } from './objects.ts';
import {
  defaultNamespace,
  type RenderSource,
  type RenderTree,
  realPathOf,
  type Work,
} from './rendering.ts';
import { isSopsEncrypted, type SopsFormat } from './sops/index.ts';

export type PlainLimits = { readonly filesMax: number; readonly outputBytesMax: number };

const manifestPattern = /\.(?:ya?ml|json)$/;
const foreignPattern = /^(?:kustomization\.ya?ml|Kustomization|Chart\.yaml)$/;

type Texts = Result<readonly ManifestText[], RenderFailure>;

/** Every manifest below the folder; an encrypted file is decrypted as a whole, so any part of it may be encrypted. */
const renderTexts =
  (read: (work: Work) => Promise<Texts>): RenderSource =>
  async (work) => {
    const { assignment, limits } = work;
    const texts = await read(work);
    if (!texts.ok) return texts;
    const clear = await decryptTexts(work, texts.value);
    return clear.ok ? readObjects(clear.value, defaultNamespace(assignment), limits) : clear;
  };

export const renderPlain = renderTexts(({ assignment, limits, tree, path }) =>
  readPlain(join(tree, path), assignment.path, limits),
);

/** The same from the store, for a tree without links: nothing of it is written out. */
export const renderPlainOf = (tree: RenderTree): RenderSource =>
  renderTexts(({ assignment, limits, path }) =>
    readPlainOf(tree, { path, shownPath: assignment.path, limits }),
  );

type Place = {
  readonly path: string;
  /** Of the folder in the repository, for messages. */
  readonly shownPath: string;
  readonly limits: PlainLimits;
};

/** One manifest of the folder, and nothing else of it. */
export const renderPlainFile =
  (file: string): RenderSource =>
  async (work) => {
    const { assignment, limits, tree, path } = work;
    const shown = assignment.path === '' ? file : `${assignment.path}/${file}`;
    const text = await readOne({ tree, path, file, shown }, limits);
    if (!text.ok) return text;
    const clear = await decryptTexts(work, [text.value]);
    return clear.ok ? readObjects(clear.value, defaultNamespace(assignment), limits) : clear;
  };

type OneFile = {
  readonly tree: string;
  readonly path: string;
  readonly file: string;
  /** In the repository, for messages. */
  readonly shown: string;
};

async function readOne(
  { tree, path, file, shown }: OneFile,
  limits: PlainLimits,
): Promise<Result<ManifestText, RenderFailure>> {
  const found = file.includes('/') ? undefined : realPathOf(join(tree, path, file));
  const status = found?.startsWith(`${tree}/`) ? statSync(found) : undefined;
  if (found === undefined || !status?.isFile()) {
    return renderFailure('path_missing', `the commit has no file ${shown}`);
  }
  if (status.size > limits.outputBytesMax) {
    return renderFailure('limit_exceeded', `${shown}: over ${limits.outputBytesMax} bytes`);
  }
  return ok({ source: shown, text: await readFile(found, 'utf8') });
}

async function readPlainOf(tree: RenderTree, { path, shownPath, limits }: Place): Promise<Texts> {
  const shown = (inner: string): string => (shownPath === '' ? inner : `${shownPath}/${inner}`);
  const prefix = path === '' ? '' : `${path}/`;
  const sources = tree.files
    .filter((file) => file.path.startsWith(prefix))
    .map((file) => ({ file, inner: file.path.slice(prefix.length) }))
    .filter(({ inner }) => !inner.split('/').some((name) => name.startsWith('.')))
    .sort((left, right) => (left.inner < right.inner ? -1 : 1));
  const foreign = sources.find(({ inner }) => foreignPattern.test(basename(inner)));
  if (foreign) return foreignFile(shown(foreign.inner), basename(foreign.inner));
  const manifests = sources.filter(({ inner }) => manifestPattern.test(inner));
  if (manifests.length > limits.filesMax) return tooManyFiles(shown(''), limits);
  const texts: ManifestText[] = [];
  let bytes = 0;
  for (const { file, inner } of manifests) {
    const content = await tree.read(file);
    if (content === undefined) {
      return renderFailure('ended', `${shown(inner)} is gone from the store; it is fetched again`);
    }
    bytes += content.length;
    if (bytes > limits.outputBytesMax) return tooManyBytes(shown(inner), limits);
    texts.push({ source: shown(inner), text: content.toString('utf8') });
  }
  return ok(texts);
}

const foreignFile = (place: string, name: string) =>
  renderFailure(
    'object_invalid',
    `${place}: a folder of plain manifests holds no ${name}; let the stage's path name its folder`,
  );

const tooManyFiles = (place: string, { filesMax }: PlainLimits) =>
  renderFailure('limit_exceeded', `${place} holds over ${filesMax} manifest files`);

const tooManyBytes = (place: string, { outputBytesMax }: PlainLimits) =>
  renderFailure('limit_exceeded', `${place}: over ${outputBytesMax} bytes in all`);

async function decryptTexts(
  { decryptFile }: Work,
  texts: readonly ManifestText[],
): Promise<Result<readonly ManifestText[], RenderFailure>> {
  if (decryptFile === undefined) return ok(texts);
  const clear: ManifestText[] = [];
  for (const text of texts) {
    const format: SopsFormat = text.source.endsWith('.json') ? 'json' : 'yaml';
    if (!isSopsEncrypted(text.text, format)) {
      clear.push(text);
      continue;
    }
    const content = Buffer.from(text.text);
    const decrypted = await decryptFile({ place: text.source, format, content });
    if (!decrypted.ok) return decrypted;
    clear.push({ ...text, text: decrypted.value.toString('utf8'), isDecrypted: true });
  }
  return ok(clear);
}

/**
 * Every manifest below a folder, in the order of their paths. Names that begin with a dot belong to other tools and are
 * passed over.
 */
async function readPlain(
  folder: string,
  /** Of the folder in the repository, for messages. */
  shownPath: string,
  limits: PlainLimits,
): Promise<Result<ManifestText[], RenderFailure>> {
  const shown = (path: string): string => (shownPath === '' ? path : `${shownPath}/${path}`);
  const sources: string[] = [];
  const pending = [''];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const entry of readdirSync(join(folder, path), { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const inner = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) pending.push(inner);
      else if (foreignPattern.test(entry.name)) {
        return foreignFile(shown(inner), entry.name);
      } else if (manifestPattern.test(entry.name)) sources.push(inner);
    }
    if (sources.length > limits.filesMax) {
      return tooManyFiles(shown(''), limits);
    }
  }
  sources.sort();
  const texts: ManifestText[] = [];
  let bytes = 0;
  for (const [index, source] of sources.entries()) {
    if (index % smallFilesInRowMax === smallFilesInRowMax - 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const file = join(folder, source);
    const status = statSync(file);
    // A link to a folder would be a second way to the same manifests.
    if (!status.isFile()) continue;
    bytes += status.size;
    if (bytes > limits.outputBytesMax) {
      return tooManyBytes(shown(source), limits);
    }
    // The tree was written a moment ago: the way through the thread pool costs more than a small file.
    const isSmall = status.size <= smallFileBytesMax;
    const text = isSmall ? readFileSync(file, 'utf8') : await readFile(file, 'utf8');
    texts.push({ source: shown(source), text });
  }
  return ok(texts);
}

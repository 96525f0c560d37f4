import { lstat, readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join, posix } from 'node:path';
import { ok, type Result } from '@fairlead/shared/result';
import { parseAllDocuments } from 'yaml';
import { type RenderFailure, renderFailure } from './failure.ts';

export const kustomizationNames = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'];

const kustomizationBytesMax = 1024 * 1024;
const kustomizationsMax = 1_000;
const kustomizeInputsMax = 10_000;

/** Places whose entries are files or folders with a kustomization. */
const pathLists = [
  'resources',
  'bases',
  'components',
  'crds',
  'configurations',
  'generators',
  'transformers',
  'validators',
  'patchesStrategicMerge',
];
/** Those of them whose files are manifests, which SOPS may have encrypted. */
const manifestFields = new Set(['resources', 'bases', 'components', 'patchesStrategicMerge']);
/** Lists of mappings whose `path` is a file. */
const pathFields = ['patches', 'patchesJson6902', 'replacements'];
const helmFields = ['helmCharts', 'helmChartInflationGenerator', 'helmGlobals'];
/** Keys of a plugin's configuration that may name files, and so addresses. */
const pluginPathKeys = new Set(['files', 'envs', 'env', 'path', 'paths', 'resources', 'repo']);

type Use = 'manifest' | 'secret-env' | 'secret-file' | 'other';
type Reference = {
  readonly place: string;
  readonly target: string;
  readonly plugin: boolean;
  readonly use: Use;
};

/** A file that a kustomization reads. */
export type KustomizeInput = {
  /** The kustomization and the field that name it. */
  readonly place: string;
  /** Relative to the tree, without links on its way. */
  readonly file: string;
  readonly use: Use;
};

/**
 * Follows every reference from the kustomization at `path` and refuses what kustomize would fetch over the network, read
 * outside the tree, or run. It runs before kustomize, because kustomize fetches while it reads. Each reference must name
 * something in the tree *and* not look like an address: kustomize would clone `github.com/a/b` even when a folder of
 * that name exists. Gives the files that are read.
 */
export async function checkKustomizeReferences(
  tree: string,
  path: string,
): Promise<Result<KustomizeInput[], RenderFailure>> {
  const inputs: KustomizeInput[] = [];
  const top = await realpath(tree);
  const pending = [path];
  const seen = new Set<string>();
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    if (seen.has(folder)) continue;
    seen.add(folder);
    if (seen.size > kustomizationsMax) {
      return renderFailure('limit_exceeded', `${path} uses over ${kustomizationsMax} folders`);
    }
    const file = await kustomizationOf(join(top, folder));
    if (file === undefined) {
      return renderFailure('path_missing', `${folder || '.'} holds no kustomization.yaml`);
    }
    const name = posix.join(folder, file);
    const document = await readYaml(join(top, name), name);
    if (!document.ok) return document;
    const references = referencesOf(document.value[0], name);
    if (!references.ok) return references;
    for (const reference of references.value) {
      const checked = await checkReference(top, folder, reference);
      if (!checked.ok) return checked;
      const { place, use } = reference;
      if (checked.value.kind === 'folder') pending.push(checked.value.path);
      else inputs.push({ place, use, file: checked.value.path });
      if (inputs.length > kustomizeInputsMax) {
        return renderFailure('limit_exceeded', `${path} uses over ${kustomizeInputsMax} files`);
      }
    }
  }
  return ok(inputs);
}

type Target = { readonly kind: 'folder' | 'file'; readonly path: string };

/** Gives what the reference is to, relative to the tree. */
async function checkReference(
  top: string,
  folder: string,
  { place, target, plugin }: Reference,
): Promise<Result<Target, RenderFailure>> {
  if (looksRemote(target)) {
    return renderFailure(
      'reference_refused',
      `${place}: ${JSON.stringify(target)} is remote. Put its content into the repository.`,
    );
  }
  const relative = posix.normalize(posix.join(folder, target));
  if (isAbsolute(target) || relative === '..' || relative.startsWith('../')) {
    return renderFailure(
      'reference_refused',
      `${place}: ${JSON.stringify(target)} is outside the folder that the pipeline includes. ` +
        'Add its folder to the include list of the pipeline.',
    );
  }
  const real = await realpath(join(top, relative)).catch(() => undefined);
  if (real === undefined) {
    return renderFailure('path_missing', `${place}: ${JSON.stringify(target)} does not exist.`);
  }
  if (real !== top && !real.startsWith(`${top}/`)) {
    return renderFailure('reference_refused', `${place}: ${target} leads out of the tree.`);
  }
  const inside = real === top ? '' : real.slice(top.length + 1);
  if ((await lstat(real)).isDirectory()) return ok({ kind: 'folder', path: inside });
  const checked = plugin ? await checkPlugin(real, place, target) : ok(undefined);
  return checked.ok ? ok({ kind: 'file', path: inside }) : checked;
}

/** A builtin generator or transformer may name files by address as well. */
async function checkPlugin(
  file: string,
  place: string,
  target: string,
): Promise<Result<undefined, RenderFailure>> {
  const documents = await readYaml(file, target);
  if (!documents.ok) return documents;
  const remote = documents.value.flatMap((document) => remoteTexts(document, false)).at(0);
  if (remote !== undefined) {
    return renderFailure(
      'reference_refused',
      `${place}: ${target} names ${JSON.stringify(remote)}, which is remote.`,
    );
  }
  return ok(undefined);
}

function remoteTexts(value: unknown, isPath: boolean, depth = 0): string[] {
  if (typeof value === 'string') {
    return isPath && looksRemote(fileOf(value)) ? [value] : [];
  }
  if (typeof value !== 'object' || value === null || depth > 32) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    remoteTexts(inner, Array.isArray(value) ? isPath : pluginPathKeys.has(key), depth + 1),
  );
}

function referencesOf(document: unknown, name: string): Result<Reference[], RenderFailure> {
  const fields = (typeof document === 'object' && document !== null ? document : {}) as Record<
    string,
    unknown
  >;
  const helm = helmFields.find((field) => fields[field] !== undefined);
  if (helm !== undefined) {
    return renderFailure(
      'reference_refused',
      `${name}: ${helm} is not allowed. Let the stage's path name the folder of a chart (Chart.yaml), ` +
        'or commit the rendered chart.',
    );
  }
  const references: Reference[] = [];
  const add = (field: string, value: unknown, use: Use, plugin = false): void => {
    // Text with line breaks is an inline patch or configuration.
    if (typeof value !== 'string' || value.includes('\n')) return;
    references.push({ place: `${name}: ${field}`, target: value, use, plugin });
  };
  for (const field of pathLists) {
    const plugin = ['generators', 'transformers', 'validators'].includes(field);
    for (const [index, value] of list(fields[field]).entries()) {
      add(`${field}[${index}]`, value, manifestFields.has(field) ? 'manifest' : 'other', plugin);
    }
  }
  for (const field of pathFields) {
    for (const [index, value] of list(fields[field]).entries()) {
      add(`${field}[${index}].path`, (value as { path?: unknown } | null)?.path, 'manifest');
    }
  }
  add('openapi.path', (fields.openapi as { path?: unknown } | undefined)?.path, 'other');
  for (const field of ['configMapGenerator', 'secretGenerator']) {
    const isSecret = field === 'secretGenerator';
    for (const [index, value] of list(fields[field]).entries()) {
      const generator = (value ?? {}) as { files?: unknown; envs?: unknown; env?: unknown };
      for (const file of list(generator.files)) {
        if (typeof file === 'string') {
          add(`${field}[${index}].files`, fileOf(file), isSecret ? 'secret-file' : 'other');
        }
      }
      for (const file of [...list(generator.envs), generator.env]) {
        add(`${field}[${index}].envs`, file, isSecret ? 'secret-env' : 'other');
      }
    }
  }
  return ok(references);
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The file of a `key=file` entry. */
const fileOf = (entry: string): string => entry.slice(entry.indexOf('=') + 1);

/** What kustomize takes for an address: a scheme, `user@host:path`, a known host, or its `gh:` and `git::` prefixes. */
export const looksRemote = (target: string): boolean =>
  /:\/\//.test(target) ||
  /^(?:git|gh|ssh|https?|file)::?/i.test(target) ||
  /^[^/\s]+@[^/\s]+[:/]/.test(target) ||
  /^[^/:]+:(?!\/)\S*\/\S+/.test(target) ||
  /^(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org|dev\.azure\.com)[/:]/i.test(target) ||
  /\.git(?:\/|\?|$)/i.test(target) ||
  /\/\/|\?(?:ref|version|submodules|timeout)=/.test(target) ||
  /\/_git\//.test(target);

async function kustomizationOf(folder: string): Promise<string | undefined> {
  for (const name of kustomizationNames) {
    const status = await lstat(join(folder, name)).catch(() => undefined);
    if (status !== undefined) return name;
  }
  return undefined;
}

async function readYaml(file: string, name: string): Promise<Result<unknown[], RenderFailure>> {
  const text = await readFile(file, 'utf8');
  if (text.length > kustomizationBytesMax) {
    return renderFailure('limit_exceeded', `${name} is over ${kustomizationBytesMax} bytes`);
  }
  try {
    const values: unknown[] = [];
    for (const document of parseAllDocuments(text, { merge: true, logLevel: 'error' })) {
      const [error] = document.errors;
      if (error !== undefined) return renderFailure('object_invalid', `${name}: ${error.message}`);
      values.push(document.toJS({ maxAliasCount: 1_000 }));
    }
    return ok(values);
  } catch (error) {
    return renderFailure('object_invalid', `${name}: ${(error as Error).message}`);
  }
}

import { readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join, posix } from 'node:path';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import { parse } from 'yaml';
import { helmValuesBytesMax } from '../limits.ts';
import { usesLookup } from './chart-files.ts';
import { type RenderFailure, renderFailure } from './failure.ts';
import { mapHelmHooks } from './helm-hooks.ts';
import { type ManifestText, readObjects } from './objects.ts';
import { defaultNamespace, type Rendered, type RenderSource, type Work } from './rendering.ts';
import { isSopsEncrypted, sopsFormatOf } from './sops/index.ts';
import { printed, toolFault } from './tools.ts';

/** What charts ask of the cluster by `.Capabilities`. */
export type Capabilities = {
  /** As `v1.37.2`. */
  readonly kubeVersion: string;
  /** `group/version` and `group/version/kind`, in a stable order. */
  readonly apiVersions: readonly string[];
};

type Values = {
  /** A YAML stream, in rising precedence: helm merges the documents of one values file. */
  readonly stream: string;
  /** Texts that were decrypted; empty when no file was encrypted. */
  readonly secrets: readonly string[];
  readonly isDecrypted: boolean;
};

/**
 * `helm template` with the values on its standard input, so that decrypted ones never lie on a disk. `lookup` finds
 * nothing there: a rendering depends on the commit and the assignment, not on what the cluster holds.
 */
export const renderHelm =
  (capabilities: Capabilities | undefined): RenderSource =>
  async (work) => {
    const { assignment, tools, limits, tree, path, signal, onNotice } = work;
    const values = await readValues(work);
    if (!values.ok) return values;
    const parameters = [
      ...['template', assignment.render.helmReleaseName || assignment.pipeline, join(tree, path)],
      ...['--values', '-', '--namespace', defaultNamespace(assignment)],
      ...['--include-crds', '--skip-tests'],
      ...(capabilities === undefined ? [] : capabilityParameters(capabilities)),
    ];
    const call = { parameters, directory: tree, input: values.value.stream, signal };
    const built = printed(await tools.run('helm', call));
    const lookup = usesLookup(join(tree, path))
      ? ' The chart uses `lookup`, which finds nothing when a chart is rendered from a commit.'
      : '';
    if (!built.ok) {
      const place = { name: 'helm', shownPath: assignment.path, tree } as const;
      const fault = toolFault(place, values.value.isDecrypted ? mute(built.error) : built.error);
      return err({ ...fault, message: explained(fault.message) + lookup });
    }
    if (lookup !== '') onNotice(`${assignment.path || '.'}:${lookup}`);
    const text: ManifestText = {
      source: 'helm template',
      text: built.value,
      isDecrypted: values.value.isDecrypted,
    };
    const read = await readObjects([text], defaultNamespace(assignment), limits);
    if (!read.ok) return read;
    const objects = mapHelmHooks(read.value.map(({ object }) => object));
    return ok(objects.map((object) => markDecrypted(object, values.value)));
  };

/** A Secret of a chart with decrypted values, and whatever else shows one that looks like a placeholder. */
function markDecrypted(object: KubernetesObject, { isDecrypted, secrets }: Values): Rendered {
  if (!isDecrypted) return { object, isDecrypted };
  const isSecret = object.apiVersion === 'v1' && object.kind === 'Secret';
  const text = JSON.stringify(object);
  const shows = secrets.some((secret) => text.includes(JSON.stringify(secret).slice(1, -1)));
  return { object, isDecrypted: isSecret || shows };
}

const capabilityParameters = ({ kubeVersion, apiVersions }: Capabilities): string[] => [
  ...['--kube-version', kubeVersion],
  ...(apiVersions.length === 0 ? [] : ['--api-versions', apiVersions.join(',')]),
];

/** Of an error that may quote decrypted values, the places in the chart alone. */
function mute<Failure extends { readonly kind: string; readonly message: string }>(
  failure: Failure,
): Failure {
  if (failure.kind !== 'failed') return failure;
  const places = failure.message.match(/[\w./-]+\.(?:ya?ml|tpl|txt|json):\d+(?::\d+)?/g) ?? [];
  const at = places.length === 0 ? '' : ` at ${[...new Set(places)].slice(0, 5).join(', ')}`;
  const message = `failed${at}; the rest of its message is withheld, because values were decrypted`;
  return { ...failure, message };
}

function explained(message: string): string {
  return message.includes('missing in charts/ directory')
    ? `${message} Run \`helm dependency build\` and commit the charts/ folder; the agent fetches nothing.`
    : message;
}

async function readValues(work: Work): Promise<Result<Values, RenderFailure>> {
  const { assignment, decryptFile, tree, path } = work;
  const documents: string[] = [];
  const secrets: string[] = [];
  let isDecrypted = false;
  let bytes = 0;
  for (const name of assignment.render.helmValuesFiles) {
    const file = await insideTree(tree, path, name);
    if (!file.ok) return file;
    const content = await readFile(file.value);
    bytes += content.length;
    if (bytes > helmValuesBytesMax) {
      return renderFailure(
        'limit_exceeded',
        `Helm values files have over ${helmValuesBytesMax} bytes`,
      );
    }
    const text = content.toString('utf8');
    const format = sopsFormatOf(name) === 'json' ? 'json' : 'yaml';
    if (!isSopsEncrypted(text, format)) {
      documents.push(text);
      continue;
    }
    const place = `Helm values file ${JSON.stringify(name)}`;
    if (decryptFile === undefined) return renderFailure('object_invalid', encryptedFault(place));
    const clear = await decryptFile({ place, format, content });
    if (!clear.ok) return clear;
    isDecrypted = true;
    documents.push(clear.value.toString('utf8'));
    secrets.push(...placeholderTexts(clear.value.toString('utf8')));
  }
  documents.push(JSON.stringify(assignment.render.helmValues));
  return ok({ stream: documents.join('\n---\n'), secrets, isDecrypted });
}

export const encryptedFault = (place: string): string =>
  `${place} is encrypted by SOPS, and the stage names no key: set render.decrypt.sops.secretRef to the Secret that ` +
  "holds it, in the agent's namespace.";

/** Decrypted texts that substitution would take for a placeholder. */
function placeholderTexts(text: string): string[] {
  const found: string[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (typeof value === 'string' && value.includes('${')) found.push(value);
    if (typeof value !== 'object' || value === null || depth > 64) return;
    for (const inner of Object.values(value)) visit(inner, depth + 1);
  };
  visit(parse(text, { logLevel: 'silent' }), 0);
  return found;
}

async function insideTree(
  tree: string,
  path: string,
  name: string,
): Promise<Result<string, RenderFailure>> {
  const relative = posix.normalize(posix.join(path, name));
  const place = `Helm values file ${JSON.stringify(name)}`;
  if (isAbsolute(name) || relative.startsWith('..') || name.includes('://')) {
    return renderFailure('reference_refused', `${place} is outside the tree`);
  }
  const file = await realpath(join(tree, relative)).catch(() => undefined);
  if (file === undefined) return renderFailure('path_missing', `${place} does not exist`);
  if (!file.startsWith(`${tree}/`)) {
    return renderFailure('reference_refused', `${place} leads out of the tree`);
  }
  return ok(file);
}

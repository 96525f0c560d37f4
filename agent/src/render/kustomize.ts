import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '@fairlead/shared/result';
import { type RenderFailure, renderFailure } from './failure.ts';
import { checkKustomizeReferences, type KustomizeInput } from './kustomize-references.ts';
import { readObjects } from './objects.ts';
import { defaultNamespace, type RenderSource, type Work } from './rendering.ts';
import {
  addDotenv,
  addManifest,
  type Exchange,
  emptyExchange,
  exchangeAll,
  isSopsEncrypted,
  type SopsFormat,
  sopsFormatOf,
} from './sops/index.ts';
import { printed, toolFault } from './tools.ts';

/** `kustomize build` on ciphertext; what SOPS encrypted is decrypted beside it and exchanged after the build. */
export const renderKustomize: RenderSource = async (work) => {
  const { assignment, tools, limits, tree, path, signal } = work;
  const checked = await checkKustomizeReferences(tree, path);
  if (!checked.ok) return checked;
  const exchange = await decryptInputs(work, checked.value);
  if (!exchange.ok) return exchange;

  const call = { parameters: ['build', join(tree, path)], directory: tree, signal };
  const built = printed(await tools.run('kustomize', call));
  if (!built.ok) {
    return err(toolFault({ name: 'kustomize', shownPath: assignment.path, tree }, built.error));
  }
  const text = { source: 'kustomize build', text: built.value };
  const read = await readObjects([text], defaultNamespace(assignment), limits);
  if (!read.ok) return read;
  if (exchange.value === undefined) return read;
  const objects = read.value.map(({ object }) => object);
  const exchanged = exchangeAll(objects, exchange.value);
  if (!exchanged.ok) return exchanged;
  const decrypted = new Set(exchanged.value.decrypted);
  return ok(
    exchanged.value.objects.map((object, index) => ({ object, isDecrypted: decrypted.has(index) })),
  );
};

/** Undefined when nothing is encrypted, or the stage asks for no decryption. */
async function decryptInputs(
  { decryptFile, tree, assignment }: Work,
  inputs: readonly KustomizeInput[],
): Promise<Result<Exchange | undefined, RenderFailure>> {
  if (decryptFile === undefined) return ok(undefined);
  const exchange = emptyExchange();
  let isAny = false;
  for (const { file, use, place } of inputs) {
    const format: SopsFormat = use === 'secret-env' ? 'dotenv' : sopsFormatOf(file);
    const content = await readFile(join(tree, file));
    const encrypted = content.toString('utf8');
    if (!isSopsEncrypted(encrypted, format)) {
      if (use !== 'secret-env' || !isSopsEncrypted(encrypted, 'json')) continue;
      return renderFailure(
        'object_invalid',
        `${place}: ${file} is encrypted, but not as dotenv: encrypt it with \`sops encrypt --input-type dotenv --output-type dotenv\`.`,
      );
    }
    if (use === 'other') {
      return renderFailure(
        'reference_refused',
        `${place}: ${file} is encrypted by SOPS, and only manifests and the files of a secretGenerator may be.`,
      );
    }
    isAny = true;
    const root = assignment.root === '' ? file : `${assignment.root}/${file}`;
    const clear = await decryptFile({ place: root, format, content });
    if (!clear.ok) return clear;
    const text = clear.value.toString('utf8');
    if (use === 'secret-env') addDotenv(exchange, encrypted, text);
    else if (use === 'secret-file') {
      exchange.files.set(content.toString('base64'), clear.value.toString('base64'));
    } else {
      const added = addManifest(exchange, root, encrypted, text);
      if (!added.ok) return added;
    }
  }
  return ok(isAny ? exchange : undefined);
}

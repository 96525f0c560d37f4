import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  gitTreeDepthMax,
  gitTreeObjectsMax,
  helmValuesBytesMax,
  renderDurationMsMax,
  renderFilesMax,
  renderHostMemoryBytesMax,
  renderObjectDepthMax,
  renderObjectsMax,
  renderOutputBytesMax,
  sopsFileBytesMax,
  sopsKeysAgeMsMax,
} from '../limits.ts';

const root = new URL('../../../', import.meta.url);
const page = readFileSync(new URL('docs/rendering.md', root), 'utf8');
const goMod = readFileSync(new URL('deploy/tools/go.mod', root), 'utf8');

const mebibytes = (bytes: number): string => `${bytes / 2 ** 20} MiB`;
const count = (value: number): string => value.toLocaleString('en-US');

it.each([
  `${count(renderObjectsMax)}; ${renderObjectDepthMax} levels`,
  `${count(renderFilesMax)}; ${mebibytes(renderOutputBytesMax)}`,
  `${mebibytes(sopsFileBytesMax)}; ${mebibytes(helmValuesBytesMax)}`,
  `${renderDurationMsMax / 1_000} s; ${mebibytes(renderHostMemoryBytesMax)}`,
  `${count(gitTreeObjectsMax)}, 256 MiB and ${gitTreeDepthMax} folders`,
])('the page about rendering states the limit %s', (limit) => {
  expect(page).toContain(limit);
});

it('the page about rendering states how long keys are held, and the versions of the tools', () => {
  expect(sopsKeysAgeMsMax).toBe(10_000);
  expect(page).toContain('within ten seconds');
  const versionOf = (module: string) =>
    new RegExp(`${module.replaceAll('.', '\\.')} v(\\S+)`).exec(goMod)?.[1];
  expect(page).toContain(`kustomize ${versionOf('sigs.k8s.io/kustomize/kustomize/v5')} |`);
  expect(page).toContain(`Helm ${versionOf('helm.sh/helm/v4')} |`);
});

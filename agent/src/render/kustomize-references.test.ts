import { describe, expect, it } from 'vitest';
import { looksRemote } from './kustomize-references.ts';

describe('a kustomize reference', () => {
  it.each([
    'https://example.com/base.yaml',
    'http://169.254.169.254/latest',
    'github.com/org/repo',
    'github.com/org/repo//base?ref=v1',
    'git@github.com:org/repo.git',
    'ssh://git@example.com/org/repo',
    'git::https://example.com/repo',
    'gh:org/repo',
    'file:///etc',
    'example.com/org/repo.git',
    'example.com:org/repo',
    'dev.azure.com/org/project/_git/repo',
    'base?ref=main',
    'org//base',
  ])('%s is remote', (target) => expect(looksRemote(target)).toBe(true));

  it.each([
    '../base',
    'base',
    './deployment.yaml',
    'a.b/c.yaml',
    'crds/example.com_widgets.yaml',
    '../../components/tls',
    'files/key:value.txt',
  ])('%s is in the tree', (target) => expect(looksRemote(target)).toBe(false));
});

import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, it } from 'vitest';
import { mapHelmHooks } from './helm-hooks.ts';

const job = (annotations: Record<string, string>): KubernetesObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'job', annotations },
});
const waveOf = (annotations: Record<string, string>): string | undefined | null => {
  const [object] = mapHelmHooks([job(annotations)]);
  return object === undefined ? null : object.metadata.annotations?.['fairlead.dev/wave'];
};

describe('Helm hooks', () => {
  it('before an install come first, after it last, by weight', () => {
    expect(waveOf({ 'helm.sh/hook': 'pre-install,pre-upgrade' })).toBe('-10000');
    expect(waveOf({ 'helm.sh/hook': 'pre-upgrade', 'helm.sh/hook-weight': '-5' })).toBe('-10005');
    expect(waveOf({ 'helm.sh/hook': 'post-install', 'helm.sh/hook-weight': '3' })).toBe('10003');
  });
  it('keep a wave that a person gave', () => {
    expect(waveOf({ 'helm.sh/hook': 'post-install', 'fairlead.dev/wave': '4' })).toBe('4');
    const foreign = { 'helm.sh/hook': 'post-install', 'argocd.argoproj.io/sync-wave': '4' };
    expect(waveOf(foreign)).toBeUndefined();
  });
  it('that run on deletion, roll back or test are left out', () => {
    expect(waveOf({ 'helm.sh/hook': 'pre-delete' })).toBeNull();
    expect(waveOf({ 'helm.sh/hook': 'post-delete, post-rollback' })).toBeNull();
    expect(waveOf({ 'helm.sh/hook': 'test' })).toBeNull();
  });
  it('leave ordinary objects as they are', () => {
    expect(mapHelmHooks([job({})])).toEqual([job({})]);
  });
});

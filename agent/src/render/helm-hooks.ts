import type { KubernetesObject } from '@fairlead/shared/manifest';

const hookAnnotation = 'helm.sh/hook';
const weightAnnotation = 'helm.sh/hook-weight';
const waveAnnotation = 'fairlead.dev/wave';
const foreignWaveAnnotation = 'argocd.argoproj.io/sync-wave';
/** Further out than any wave that a person would write. */
const hookWaveDistance = 10_000;
const weightMax = 5_000;

/**
 * Helm's hooks as ordinary objects in waves: `pre-install` and `pre-upgrade` before everything else, `post-…` after it, by
 * weight within. Hooks that run only on deletion, roll back or test are left out: applying a clean-up Job with the
 * chart would run it.
 */
export function mapHelmHooks(objects: readonly KubernetesObject[]): KubernetesObject[] {
  return objects.flatMap((object) => {
    const annotations = object.metadata.annotations ?? {};
    const hook = annotations[hookAnnotation];
    if (hook === undefined) return [object];
    const events = hook.split(',').map((event) => event.trim());
    if (events.includes('crd-install')) return [object];
    const before = events.some((event) => event === 'pre-install' || event === 'pre-upgrade');
    const after = events.some((event) => event === 'post-install' || event === 'post-upgrade');
    if (!before && !after) return [];
    if (annotations[waveAnnotation] ?? annotations[foreignWaveAnnotation]) return [object];
    const weight = Number.parseInt(annotations[weightAnnotation] ?? '0', 10) || 0;
    const within = Math.max(-weightMax, Math.min(weightMax, weight));
    const wave = String((before ? -hookWaveDistance : hookWaveDistance) + within);
    const metadata = {
      ...object.metadata,
      annotations: { ...annotations, [waveAnnotation]: wave },
    };
    return [{ ...object, metadata }];
  });
}

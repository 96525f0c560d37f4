import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';

type Metadata = KubernetesObject['metadata'];

export const listed = (text: string | undefined): readonly string[] =>
  (text ?? '').split(',').map((part) => part.trim());

/** A person wants the object kept when its unit no longer renders it; Argo CD's, Flux's and Helm's words count too. */
export function isPruneDisabled(metadata: Metadata): boolean {
  const annotations = metadata.annotations ?? {};
  const labels = metadata.labels ?? {};
  const argo = listed(annotations['argocd.argoproj.io/sync-options']);
  return (
    annotations['fairlead.dev/prune'] === 'disabled' ||
    argo.some((option) => /^(Prune|Delete)=(false|confirm)$/.test(option)) ||
    (
      annotations['kustomize.toolkit.fluxcd.io/prune'] ??
      labels['kustomize.toolkit.fluxcd.io/prune']
    )?.toLowerCase() === 'disabled' ||
    annotations['helm.sh/resource-policy'] === 'keep'
  );
}

// What they hold cannot be made again by applying the manifest once more.
const holdsData: ReadonlySet<string> = new Set(['PersistentVolumeClaim', 'PersistentVolume']);

/** Why the object stays when its unit no longer renders it or is deleted; empty when it may go. */
export function reasonToStay({ apiVersion, kind, metadata }: KubernetesObject): string {
  if (isPruneDisabled(metadata)) return 'an annotation disables its pruning';
  const isAllowed = metadata.annotations?.['fairlead.dev/prune'] === 'enabled';
  return apiVersion === 'v1' && holdsData.has(kind) && !isAllowed
    ? 'it holds data; the annotation fairlead.dev/prune: enabled lets it go'
    : '';
}

/** A person wants the object left alone for now: it is not applied again and its drift is not repaired. */
export function isReconcileDisabled(metadata: Metadata): boolean {
  const annotations = metadata.annotations ?? {};
  return (
    annotations['fairlead.dev/reconcile'] === 'disabled' ||
    annotations['kustomize.toolkit.fluxcd.io/reconcile']?.toLowerCase() === 'disabled' ||
    annotations['argocd.argoproj.io/skip-reconcile'] === 'true'
  );
}

/** Kinds whose deletion takes what others keep in them: data, or every object of a namespace or of a kind. */
const holdsOthers = new Set([
  '/Namespace',
  '/PersistentVolume',
  '/PersistentVolumeClaim',
  'apiextensions.k8s.io/CustomResourceDefinition',
]);

export const replaceAnnotation = 'fairlead.dev/replace';
export const replaceLossAnnotation = 'fairlead.dev/replace-loses-content';

/**
 * Whether the object may be deleted and made again when a field of it cannot be changed; otherwise the annotation that a
 * person would have to add. What holds other things must be asked for twice.
 */
export function replaceConsent({
  apiVersion,
  kind,
  metadata,
}: KubernetesObject):
  | { readonly given: true }
  | { readonly given: false; readonly missing: string } {
  const annotations = metadata.annotations ?? {};
  const argo = listed(annotations['argocd.argoproj.io/sync-options']);
  const isAsked =
    annotations[replaceAnnotation] === 'enabled' ||
    (argo.includes('Replace=true') && argo.includes('Force=true')) ||
    annotations['kustomize.toolkit.fluxcd.io/force']?.toLowerCase() === 'enabled';
  if (!isAsked) return { given: false, missing: `${replaceAnnotation}: "enabled"` };
  const isAccepted = annotations[replaceLossAnnotation] === 'accepted';
  if (holdsOthers.has(`${groupOf(apiVersion)}/${kind}`) && !isAccepted) {
    return { given: false, missing: `${replaceLossAnnotation}: "accepted"` };
  }
  return { given: true };
}

const waveMax = 1_000_000;

/** The declared wave, or `undefined`; one that is no whole number in the limits is a fault of the manifest. */
export function declaredWave(metadata: Metadata): number | undefined | 'invalid' {
  const annotations = metadata.annotations ?? {};
  const text = annotations['fairlead.dev/wave'] ?? annotations['argocd.argoproj.io/sync-wave'];
  if (text === undefined) return undefined;
  const wave = Number(text);
  return text.trim() !== '' && Number.isInteger(wave) && Math.abs(wave) <= waveMax
    ? wave
    : 'invalid';
}

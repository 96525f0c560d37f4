import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import { listed } from './annotations.ts';

/** An object that does its work at a moment of the roll-out, in the words of Argo CD or Helm. */
export type Hook = {
  /** `with`: in its wave beside the others. */
  readonly when: 'before' | 'with' | 'after' | 'on-failure';
  /** It runs to an end once a generation; other kinds of hook objects are applied like any object, at the hook's moment. */
  readonly runs: boolean;
  /** Helm tells the first install from upgrades. */
  readonly due: 'always' | 'first' | 'later';
  readonly removeWhen: { readonly succeeded: boolean; readonly failed: boolean };
};

/** Which run of a hook an object is: `<epoch>.<generation>`, written in the request that makes the object. */
export const hookRunAnnotation = 'fairlead.dev/hook-run';

const runKinds = new Set([
  'batch/Job',
  '/Pod',
  'argoproj.io/Workflow',
  'tekton.dev/PipelineRun',
  'tekton.dev/TaskRun',
]);

/** `skip`: the object is never applied with the unit. Argo CD's annotation goes before Helm's, as in Argo CD. */
export function hookOf(object: KubernetesObject): Hook | 'skip' | undefined {
  const annotations = object.metadata.annotations ?? {};
  const argo = annotations['argocd.argoproj.io/hook'];
  const helm = annotations['helm.sh/hook'];
  if (argo === undefined && helm === undefined) return undefined;
  const moment =
    argo !== undefined ? momentOfArgo(new Set(listed(argo))) : momentOfHelm(new Set(listed(helm)));
  if (moment === undefined || moment === 'skip') return moment;
  const policies = new Set(
    listed(
      annotations['argocd.argoproj.io/hook-delete-policy'] ??
        annotations['helm.sh/hook-delete-policy'],
    ).map((policy) => policy.toLowerCase().replaceAll('-', '')),
  );
  return {
    ...moment,
    runs: runKinds.has(`${groupOf(object.apiVersion)}/${object.kind}`),
    removeWhen: { succeeded: policies.has('hooksucceeded'), failed: policies.has('hookfailed') },
  };
}

type Moment = Pick<Hook, 'when' | 'due'>;

function momentOfArgo(words: ReadonlySet<string>): Moment | 'skip' {
  if (words.has('PreSync')) return { when: 'before', due: 'always' };
  if (words.has('Sync')) return { when: 'with', due: 'always' };
  if (words.has('PostSync')) return { when: 'after', due: 'always' };
  if (words.has('SyncFail')) return { when: 'on-failure', due: 'always' };
  return 'skip';
}

function momentOfHelm(events: ReadonlySet<string>): Moment | 'skip' | undefined {
  if (events.has('crd-install')) return undefined;
  for (const [prefix, when] of [
    ['pre', 'before'],
    ['post', 'after'],
  ] as const) {
    const installs = events.has(`${prefix}-install`);
    const upgrades = events.has(`${prefix}-upgrade`);
    if (installs && upgrades) return { when, due: 'always' };
    if (installs) return { when, due: 'first' };
    if (upgrades) return { when, due: 'later' };
  }
  return 'skip';
}

/** The order of hooks of one moment where no wave is declared. */
export function hookWeight({ metadata }: KubernetesObject): number {
  const weight = Number(metadata.annotations?.['helm.sh/hook-weight'] ?? 0);
  return Number.isInteger(weight) ? weight : 0;
}

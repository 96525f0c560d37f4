import type { CommitId } from '@fairlead/shared/ids';
import type { KubernetesObject } from '@fairlead/shared/manifest';

/** What a commit does to a cluster that runs it. */
export type Behaviour =
  /** Healthy within seconds. */
  | 'good'
  /** Healthy after minutes. */
  | 'slow'
  /** Applied, and never healthy. */
  | 'never-healthy'
  /** Healthy at first, and broken later. */
  | 'breaks-later'
  /** Cannot be rendered. */
  | 'no-render'
  /** Renders to nothing. */
  | 'empty';

export type Commit = {
  readonly id: CommitId;
  /** First-parent distance from the root, from 1. */
  readonly position: number;
  readonly behaviour: Behaviour;
  /** Which of the optional objects it has. */
  readonly extras: readonly number[];
};

export type Repository = {
  readonly branch: () => readonly Commit[];
  readonly all: () => readonly Commit[];
  readonly find: (id: string) => Commit | undefined;
  readonly push: (behaviour: Behaviour, extras: readonly number[]) => Commit;
  /** A new commit with the content of the one before the last. */
  readonly revert: () => Commit | undefined;
  /** Drops the newest commits; at least one stays. */
  readonly drop: (count: number) => void;
  /** Back to where the branch was before it was last dropped. */
  readonly restore: () => void;
};

export function createRepository(): Repository {
  let branch: readonly Commit[] = [];
  let before: readonly Commit[] = [];
  const all = new Map<string, Commit>();
  const push = (behaviour: Behaviour, extras: readonly number[]): Commit => {
    const number = (all.size + 1).toString(16).padStart(4, '0');
    const id = `c0${number}`.padEnd(40, '0') as CommitId;
    const commit = { id, position: branch.length + 1, behaviour, extras };
    all.set(id, commit);
    branch = [...branch, commit];
    return commit;
  };
  return {
    branch: () => branch,
    all: () => [...all.values()],
    find: (id) => all.get(id),
    push,
    revert: () => {
      const former = branch.at(-2);
      return former && push(former.behaviour, former.extras);
    },
    drop: (count) => {
      if (branch.length < 2) return;
      before = branch;
      branch = branch.slice(0, Math.max(1, branch.length - count));
    },
    restore: () => {
      if (before.length > 0) branch = before;
    },
  };
}

/** What rendering the commit's folder gives, or nothing where it cannot be rendered. */
export function renderCommit(
  { id, behaviour, extras }: Commit,
  path: string,
): readonly KubernetesObject[] | undefined {
  if (behaviour === 'no-render') return undefined;
  if (behaviour === 'empty') return [];
  const name = path.split('/')[1] ?? 'none';
  const labels = { matchLabels: { app: name } };
  const configMap = (suffix: string, value: string): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${name}-${suffix}`, namespace: 'default' },
    data: { value, path },
  });
  const deployment: KubernetesObject = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: `${name}-web`, namespace: 'default' },
    spec: {
      replicas: 1,
      selector: labels,
      template: {
        metadata: { labels: labels.matchLabels },
        spec: { containers: [{ name: 'web', image: `${behaviour}:${id}` }] },
      },
    },
  };
  return [
    configMap('settings', id),
    deployment,
    ...extras.map((extra) => configMap(`extra-${extra}`, String(extra))),
  ];
}

export const imageOf = ({ spec }: KubernetesObject): string => {
  const { template } = (spec ?? {}) as {
    template?: { spec?: { containers?: { image?: string }[] } };
  };
  return template?.spec?.containers?.[0]?.image ?? '';
};

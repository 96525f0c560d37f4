/** A tool that deploys what people wrote, so that its fields may become ours when its objects do. */
export type DeployTool = {
  readonly name: string;
  /** Matches the whole name of a field manager. */
  readonly managers: RegExp;
  readonly reason: string;
};

/**
 * The field managers that a take-over replaces. A manager that is not here (an autoscaler, an operator) decides values by
 * itself at run time, and a field of it is a conflict.
 */
export const deployTools: readonly DeployTool[] = [
  {
    name: 'kubectl',
    managers: /^kubectl(-[a-z-]+)?$/,
    reason:
      '`kubectl apply` is `kubectl-client-side-apply` or, with --server-side, `kubectl`; the other verbs follow the same pattern',
  },
  {
    name: 'kubectl',
    managers: /^before-first-apply$/,
    reason:
      'the API server puts all fields of an object that was made before it kept managers under this name',
  },
  {
    name: 'Flux',
    managers: /^(kustomize-controller|helm-controller|flux)$/,
    reason: 'its controllers and its command apply what Git or a chart holds',
  },
  {
    name: 'Argo CD',
    managers: /^(argocd-controller|argocd-application-controller)$/,
    reason:
      'one name for its server-side applies, and the name of its program for what it patches client-side',
  },
  {
    name: 'Helm',
    managers: /^helm$/i,
    reason: 'updates of Helm 3 and applies of Helm 4, both under the name of the program',
  },
];

export const deployToolOf = (manager: string): DeployTool | undefined =>
  deployTools.find(({ managers }) => managers.test(manager));

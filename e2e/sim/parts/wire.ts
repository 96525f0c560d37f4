import type { Assignment as AgentAssignment } from '../../../agent/src/domain/link/index.ts';
import type { Assignment } from '../../../hub/src/domain/rollout/index.ts';

/** An assignment as it arrives at the agent, for what the simulated pipelines use. */
export function assignmentOnWire(
  assignment: Assignment,
  hub: { epoch: number; labels: Readonly<Record<string, string>> },
): AgentAssignment {
  const { render, apply } = assignment;
  return {
    pipeline: assignment.pipeline,
    stage: assignment.stage,
    project: assignment.project,
    epoch: hub.epoch,
    generation: assignment.generation,
    disposition: assignment.disposition,
    repository: assignment.repository,
    commit: assignment.commit,
    path: assignment.path,
    root: assignment.root,
    render: {
      helmReleaseName: render.helm.releaseName,
      helmValuesFiles: render.helm.valuesFiles,
      helmValues: render.helm.values,
      substitution: render.substitution,
      sopsSecret: render.sopsSecretName ?? '',
    },
    apply: {
      namespace: apply.namespace,
      createNamespace: apply.createNamespace,
      prune: apply.prune,
      drift: apply.drift,
      adopt: apply.adopt,
      deletionBudget: apply.deletionBudget,
      confirmedPruneGeneration: assignment.confirmedPruneGeneration,
      confirmedPruneDigest: assignment.confirmedPruneDigest,
      serviceAccount: apply.serviceAccountName ?? '',
      conflicts: apply.conflicts,
      dependsOn: apply.dependsOn,
      ignoreDifferences: apply.ignoreDifferences,
      healthChecks: apply.healthChecks,
    },
    clusterName: assignment.clusterName,
    clusterLabels: hub.labels,
    verification: { mode: 'none', keysName: '' },
  };
}

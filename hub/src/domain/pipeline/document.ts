import { formatDuration } from '@fairlead/shared/time';
import type {
  PipelineDefinition,
  RepositoryDefinition,
  StageDefinition,
  VerificationPolicy,
} from './definition.ts';
import { apiVersion, type Resource } from './resources.ts';

/** The document that a resource can be defined with again, with every default written out. */
export function resourceDocument(resource: Resource): Record<string, unknown> {
  const { name, project } = resource.definition;
  return {
    apiVersion,
    kind: resource.kind,
    metadata: { name, project },
    spec:
      resource.kind === 'Pipeline'
        ? pipelineSpec(resource.definition)
        : repositorySpec(resource.definition),
  };
}

const repositorySpec = (definition: RepositoryDefinition) => ({
  url: definition.url,
  branch: definition.branch,
  pollInterval: exactDuration(definition.pollIntervalMs),
  ...(definition.credentialsSecretName === undefined
    ? {}
    : { credentials: { secretRef: definition.credentialsSecretName } }),
  ...(definition.webhookSecretName === undefined
    ? {}
    : { webhook: { secretRef: definition.webhookSecretName } }),
  ...(definition.verification === undefined ? {} : { verify: verifySpec(definition.verification) }),
});

const verifySpec = ({ mode, keysName }: VerificationPolicy) => ({
  mode,
  ...(keysName === undefined ? {} : { keysRef: keysName }),
});

const pipelineSpec = ({ repository, include, exclude, stages }: PipelineDefinition) => ({
  repository,
  include,
  exclude,
  stages: stages.map(stageDocument),
});

function stageDocument(stage: StageDefinition): Record<string, unknown> {
  const { deletionBudget, serviceAccountName, ...apply } = stage.apply;
  const { helm, substitution, sopsSecretName } = stage.render;
  return {
    name: stage.name,
    after: stage.after,
    path: stage.path === '' ? '.' : stage.path,
    clusters: stage.clusters,
    promote: stage.promote,
    gates: { soak: exactDuration(stage.gates.soakMs) },
    rollout: { progressDeadline: exactDuration(stage.rollout.progressDeadlineMs) },
    render: {
      helm,
      ...(substitution === undefined ? {} : { substitute: { values: substitution } }),
      ...(sopsSecretName === undefined ? {} : { decrypt: { sops: { secretRef: sopsSecretName } } }),
    },
    apply: {
      ...apply,
      ...(serviceAccountName === undefined ? {} : { serviceAccount: serviceAccountName }),
      deletionBudget: { objects: deletionBudget.objectsMax, percent: deletionBudget.percentMax },
    },
  };
}

/** Unlike `formatDuration`, never rounded: what is read back must be what was defined. */
function exactDuration(durationMs: number): string {
  const short = formatDuration(durationMs);
  const wholeUnits = durationMs % 1_000 === 0 && durationMs < 3_600_000;
  return wholeUnits ? short : `${durationMs}ms`;
}

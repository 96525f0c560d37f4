import type {
  PipelineDefinition,
  RepositoryDefinition,
  StageDefinition,
  SupersedePolicy,
  VerificationPolicy,
} from './definition.ts';
import { exactDuration } from './exact-duration.ts';
import { gateDocument, rolloutDocument } from './policy-documents.ts';
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
  ...(definition.stageRefs === true ? { stageRefs: true } : {}),
  ...(definition.verification === undefined ? {} : { verify: verifySpec(definition.verification) }),
});

const verifySpec = ({ mode, keysName }: VerificationPolicy) => ({
  mode,
  ...(keysName === undefined ? {} : { keysRef: keysName }),
});

const pipelineSpec = (definition: PipelineDefinition) => ({
  repository: definition.repository,
  include: definition.include,
  exclude: definition.exclude,
  releases: {
    quietPeriod: exactDuration(definition.releases.quietPeriodMs),
    mustMatch: definition.releases.mustMatch,
    revertBypasses: definition.releases.revertBypasses,
  },
  stages: definition.stages.map(stageDocument),
});

const stageDocument = (stage: StageDefinition): Record<string, unknown> => ({
  name: stage.name,
  after: stage.afterMode === 'any' ? { any: stage.after } : stage.after,
  promote: stage.promote,
  supersede: supersedeDocument(stage.supersede),
  backfill: stage.backfill,
  holdAfterRollback: stage.holdAfterRollback,
  gates: gateDocument(stage.gates),
  ...(stage.hotfix === undefined ? {} : { hotfix: stage.hotfix }),
  ...(stage.clusters === undefined ? {} : clusterDocument(stage)),
});

const supersedeDocument = ({ mode, soaks, interrupt }: SupersedePolicy) => ({
  mode,
  ...(mode === 'latest-after' ? { soaks } : {}),
  interrupt,
});

/** A control stage has nothing of it. */
function clusterDocument(stage: StageDefinition): Record<string, unknown> {
  const { deletionBudget, serviceAccountName, ...apply } = stage.apply;
  const { helm, substitution, sopsSecretName } = stage.render;
  return {
    clusters: stage.clusters,
    path: stage.path === '' ? '.' : stage.path,
    concernedBy: stage.concernedBy,
    rollout: rolloutDocument(stage.rollout),
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

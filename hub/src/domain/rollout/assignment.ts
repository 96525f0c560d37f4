import type {
  ClusterId,
  ClusterName,
  CommitId,
  PipelineName,
  ProjectName,
  RepositoryName,
  StageName,
} from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import type { Instant } from '@fairlead/shared/time';
import type {
  ApplyPolicy,
  PipelineDefinition,
  RenderPolicy,
  VerificationPolicy,
} from '../pipeline/definition.ts';
import { stageNamed } from '../pipeline/index.ts';
import type { PipelineEvent } from '../promotion/events.ts';

/** What a target must run, complete: the agent needs nothing else of the hub to reconcile it. */
export type Assignment = {
  readonly cluster: ClusterId;
  readonly clusterName: ClusterName;
  readonly project: ProjectName;
  readonly pipeline: PipelineName;
  readonly stage: StageName;
  readonly generation: number;
  readonly disposition: 'run' | 'orphan' | 'delete';
  readonly repository: RepositoryName;
  readonly commit: CommitId;
  /** Folder to render, resolved for the cluster; without leading or trailing slash, empty for the top. */
  readonly path: string;
  /** Folder that the agent receives: `path` is at or below it, and rendering cannot read outside it. */
  readonly root: string;
  readonly render: RenderPolicy;
  readonly apply: ApplyPolicy;
  /** 0 when no held prune was confirmed. */
  readonly confirmedPruneGeneration: number;
  readonly confirmedPruneDigest: string;
  /** Hub time of an order to delete. */
  readonly deletionOrderedAt?: Instant;
  /**
   * The repository's policy when the target was assigned: one generation has one content, so a later change of it travels
   * with the next one. Absent asks for no signature.
   */
  readonly verification?: VerificationPolicy;
};

/** An order to delete that no agent has taken up for this long is given to none: a person must give it again. */
export const deletionOrderAgeMsMax = 24 * 3_600_000;

export const isStaleDeletion = (
  { disposition, deletionOrderedAt = 0 }: Pick<Assignment, 'disposition' | 'deletionOrderedAt'>,
  at: Instant,
): boolean => disposition === 'delete' && at - deletionOrderedAt > deletionOrderAgeMsMax;

type TargetAssigned = Extract<PipelineEvent, { type: 'TargetAssigned' }>;
type TargetWithdrawn = Extract<PipelineEvent, { type: 'TargetWithdrawn' }>;

/** Of one stage and target: what only they say. Everything else of an assignment is the definition's. */
type Target = Pick<
  Assignment,
  'cluster' | 'clusterName' | 'stage' | 'generation' | 'commit' | 'path' | 'verification'
>;

/** What the target is to run by this definition; nothing where it has no such stage. */
export function assignmentBy(
  definition: PipelineDefinition,
  target: Target,
): Assignment | undefined {
  const stage = stageNamed(definition, target.stage);
  if (stage === undefined) return undefined;
  return {
    ...target,
    project: definition.project,
    pipeline: definition.name,
    disposition: 'run',
    repository: definition.repository,
    root: treeRoot(definition.include, target.path),
    render: stage.render,
    apply: stage.apply,
    confirmedPruneGeneration: 0,
    confirmedPruneDigest: '',
  };
}

/** Joins a recorded assignment with the definition revision that it names, and with its repository's policy of then. */
export function composeAssignment(
  definition: PipelineDefinition,
  assigned: TargetAssigned,
  verification: VerificationPolicy | undefined,
): Assignment | undefined {
  const { cluster, clusterName, stage, generation, release: commit, path } = assigned;
  const { confirmedPruneGeneration = 0, confirmedPruneDigest = '' } = assigned;
  const policy = verification === undefined ? {} : { verification };
  const target = { cluster, clusterName, stage, generation, commit, path, ...policy };
  const assignment = assignmentBy(definition, target);
  return assignment && { ...assignment, confirmedPruneGeneration, confirmedPruneDigest };
}

/** What a target that leaves is told; an order to delete names how many objects may go. */
export function withdrawnAssignment(
  { confirmedPruneDigest: _, deletionOrderedAt: __, ...before }: Assignment,
  { generation, disposition, objectsMax = 0, at }: TargetWithdrawn,
): Assignment {
  const assignment = {
    ...before,
    generation,
    disposition,
    confirmedPruneGeneration: 0,
    confirmedPruneDigest: '',
  };
  if (disposition !== 'delete') return assignment;
  const deletionBudget = { objectsMax, percentMax: 0 };
  return {
    ...assignment,
    apply: { ...before.apply, deletionBudget },
    ...(at === undefined ? {} : { deletionOrderedAt: at }),
  };
}

export type Hypothesis = {
  readonly stage: StageName;
  readonly release: CommitId;
  readonly cluster: {
    readonly id: ClusterId;
    readonly name: ClusterName;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** What the target holds now. */
  readonly held: Assignment | undefined;
};

/**
 * What the cluster would be assigned if the stage gave it the release now, to ask what that would change; or in words why
 * it could not be.
 */
export function supposeAssignment(
  definition: PipelineDefinition,
  { stage: name, release, cluster, held }: Hypothesis,
): Result<Assignment, string> {
  const stage = stageNamed(definition, name);
  if (stage === undefined) return err(`there is no stage ${name}`);
  const { path, missing } = resolvePath(stage.path, cluster);
  if (missing.length > 0) {
    return err(
      `the cluster has no usable value for ${missing.join(', ')} of the stage's path: set its labels`,
    );
  }
  const assignment = assignmentBy(definition, {
    cluster: cluster.id,
    clusterName: cluster.name,
    stage: name,
    generation: (held?.generation ?? 0) + 1,
    commit: release,
    path,
  });
  return assignment === undefined ? err(`there is no stage ${name}`) : ok(assignment);
}

/**
 * The folder whose content goes to an agent: the deepest one that holds the stage's path and everything the pipeline
 * includes. What lies outside makes no release, so rendering must not depend on it.
 */
export function treeRoot(include: readonly string[], path: string): string {
  const folders = [...include.map(literalFolder), path];
  return folders.reduce(commonFolder, folders[0] ?? '');
}

/** The folder that everything of a pipeline is in, whatever the cluster: equal content there is equal for every stage. */
export const contentRoot = ({
  include,
  stages,
}: Pick<PipelineDefinition, 'include' | 'stages'>): string =>
  stages
    .filter(({ clusters }) => clusters !== undefined)
    .map(({ path }) => path.split('/'))
    .map((parts) => {
      const variable = parts.findIndex((part) => part.includes('${'));
      return parts.slice(0, variable === -1 ? parts.length : variable).join('/');
    })
    .reduce<string | undefined>(
      (root, path) => (root === undefined ? path : commonFolder(root, path)),
      include
        .map(literalFolder)
        .reduce<string | undefined>(
          (root, folder) => (root === undefined ? folder : commonFolder(root, folder)),
          undefined,
        ),
    ) ?? '';

/** The folder part of a glob before its first magic character: `apps/checkout` of `apps/checkout/**`. */
function literalFolder(pattern: string): string {
  const segments = pattern.split('/');
  const magic = segments.findIndex((segment) => /[*?[\]{}()!+@]/.test(segment));
  return segments.slice(0, magic === -1 ? segments.length - 1 : magic).join('/');
}

function commonFolder(left: string, right: string): string {
  const leftSegments = left === '' ? [] : left.split('/');
  const rightSegments = right === '' ? [] : right.split('/');
  const differs = leftSegments.findIndex((segment, index) => segment !== rightSegments[index]);
  return leftSegments.slice(0, differs === -1 ? leftSegments.length : differs).join('/');
}

/** Replaces `${cluster.name}` and `${cluster.labels.<key>}`; names every placeholder that has no value. */
export function resolvePath(
  template: string,
  cluster: { name: string; labels: Readonly<Record<string, string>> },
): { path: string; missing: string[] } {
  if (!template.includes('${')) return { path: template, missing: [] };
  const missing: string[] = [];
  const path = template.replaceAll(/\$\{([^}]*)\}/g, (placeholder, expression: string) => {
    if (expression === 'cluster.name') return cluster.name;
    const label = expression.startsWith('cluster.labels.')
      ? cluster.labels[expression.slice('cluster.labels.'.length)]
      : undefined;
    if (label !== undefined && !label.includes('/') && label !== '..' && label !== '.')
      return label;
    missing.push(placeholder);
    return placeholder;
  });
  return { path, missing };
}

import type {
  CommitId,
  PipelineName,
  ProjectName,
  RepositoryName,
  StageName,
} from '@fairlead/shared/ids';

/** What one target must run: state, not an event. The comments of assignment.proto are the specification. */
export type Assignment = {
  readonly pipeline: PipelineName;
  readonly stage: StageName;
  readonly project: ProjectName;
  readonly epoch: number;
  readonly generation: number;
  readonly disposition: Disposition;
  readonly repository: RepositoryName;
  readonly commit: CommitId;
  /** Folder to render, relative to the tree's top, without leading or trailing slash; empty is the top. */
  readonly path: string;
  /** Folder whose content is fetched; `path` is at or below it. */
  readonly root: string;
  readonly render: RenderOptions;
  readonly apply: ApplyOptions;
  readonly clusterName: string;
  readonly clusterLabels: Readonly<Record<string, string>>;
};

/** `orphan` stops and leaves every object in place; `delete` is an explicit order of a person. */
export type Disposition = 'run' | 'orphan' | 'delete';

export type RenderOptions = {
  /** Empty means the pipeline's name. */
  readonly helmReleaseName: string;
  /** Relative to `Assignment.path`, in rising precedence. */
  readonly helmValuesFiles: readonly string[];
  /** They win over the files. */
  readonly helmValues: Readonly<Record<string, unknown>>;
};

export type DriftPolicy = 'repair' | 'report';
export type AdoptPolicy = 'if-unowned' | 'if-equal' | 'always';

/** A prune above both limits is held until a person confirms it. */
export type DeletionBudget = { readonly objectsMax: number; readonly percentMax: number };

export type ApplyOptions = {
  /** Namespace for namespaced objects that name none; empty means `default`. */
  readonly namespace: string;
  readonly createNamespace: boolean;
  readonly prune: boolean;
  readonly drift: DriftPolicy;
  readonly adopt: AdoptPolicy;
  readonly deletionBudget: DeletionBudget;
  /** The generation whose held prune a person confirmed; 0 means none. */
  readonly confirmedPruneGeneration: number;
};

declare const brand: unique symbol;
/** `<pipeline>/<stage>`: unique within one agent, and stable over generations. */
export type UnitId = string & { readonly [brand]: 'UnitId' };

export const unitIdOf = (assignment: Pick<Assignment, 'pipeline' | 'stage'>): UnitId =>
  `${assignment.pipeline}/${assignment.stage}` as UnitId;

/** The unit's status object: names hold no dots, so `<pipeline>.<stage>` is unique, and at most 127 characters long. */
export const unitObjectName = (unit: UnitId): string => unit.replace('/', '.');

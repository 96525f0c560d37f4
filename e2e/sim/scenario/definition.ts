import {
  completeDefinition,
  type PipelineDefinition,
  type RepositoryDefinition,
  type StageDefinition,
} from '../../../hub/src/domain/pipeline/index.ts';
import { pipelineName, repositoryName } from '../parts/hub.ts';
import type { StageShape } from './scenario.ts';

export const repositoryDefinition = {
  name: repositoryName,
  project: 'default',
  url: 'https://git.example.com/environments.git',
  branch: 'main',
  pollIntervalMs: 60_000,
} as RepositoryDefinition;

export const definitionOf = (stages: readonly StageShape[]): PipelineDefinition =>
  completeDefinition({
    name: pipelineName,
    project: 'default',
    repository: repositoryName,
    include: ['apps/**'],
    exclude: [],
    stages: stages.map(stageOf),
  } as unknown as Parameters<typeof completeDefinition>[0]);

const stageOf = (shape: StageShape): StageDefinition =>
  ({
    name: shape.name,
    after: shape.after,
    ...(shape.isControl
      ? { path: '' }
      : {
          clusters: { matchLabels: { environment: shape.name } },
          path: `apps/${shape.name}/v${shape.pathVersion}`,
        }),
    ...(shape.afterMode ? { afterMode: shape.afterMode } : {}),
    promote: shape.promote,
    gates: { soakMs: shape.soakMs, ...shape.gates },
    rollout: { progressDeadlineMs: shape.progressDeadlineMs, ...shape.rollout },
    ...(shape.supersede ? { supersede: shape.supersede } : {}),
    ...(shape.hotfix ? { hotfix: shape.hotfix } : {}),
    render: { helm: { releaseName: 'app', valuesFiles: [], values: {} } },
    apply: {
      namespace: 'default',
      createNamespace: false,
      prune: true,
      drift: 'repair',
      adopt: 'if-unowned',
      deletionBudget: { objectsMax: shape.deletionObjectsMax, percentMax: 30 },
      conflicts: 'take',
      dependsOn: [],
      ignoreDifferences: [],
      healthChecks: [],
    },
  }) as unknown as StageDefinition;

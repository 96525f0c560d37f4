import type { PipelineName, ProjectName, RepositoryName } from '@fairlead/shared/ids';
import { checkGraph } from './check-graph.ts';
import { checkStages } from './check-stages.ts';
import type { PipelineDefinition } from './definition.ts';
import { stagesMax } from './limits.ts';
import { readNameOf } from './names.ts';
import { parseReleases } from './parse-releases.ts';
import { parseStage } from './parse-stage.ts';
import { readGlobs } from './paths.ts';
import { fault, type Node, readLimitedList, readMapping } from './reader.ts';

export function parsePipelineSpec(
  spec: Node,
  { name, project }: { name: PipelineName; project: ProjectName },
): PipelineDefinition {
  const at = readMapping(spec, {
    known: ['repository', 'include', 'exclude', 'releases', 'stages'],
  });
  const include = readGlobs(at('include'));
  const exclude = readGlobs(at('exclude'));
  const stageNodes = readLimitedList(at('stages'), stagesMax);
  if (stageNodes.length === 0) fault(at('stages'), 'must have at least one stage');
  const stages = stageNodes.map((node) => ({ node, stage: parseStage(node, name) }));
  checkGraph(stages);
  checkStages(stages);
  return {
    name,
    project,
    repository: readNameOf<RepositoryName>(at('repository')),
    include: include.length === 0 ? ['**'] : include,
    exclude,
    releases: parseReleases(at('releases')),
    stages: stages.map(({ stage }) => stage),
  };
}

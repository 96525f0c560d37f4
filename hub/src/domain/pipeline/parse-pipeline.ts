import {
  type PipelineName,
  type ProjectName,
  parseName,
  type RepositoryName,
  type StageName,
} from '@fairlead/shared/ids';
import { checkGraph } from './check-graph.ts';
import { completeStage, releasePolicyDefault } from './defaults.ts';
import type { ClusterSelector, PipelineDefinition, StageDefinition } from './definition.ts';
import { parseApply } from './parse-apply.ts';
import { parseRender } from './parse-render.ts';
import { checkGlob, checkPath } from './paths.ts';
import {
  fault,
  isAbsent,
  type Node,
  readChoice,
  readDuration,
  readEntries,
  readList,
  readMapping,
  readText,
} from './reader.ts';

const stagesMax = 100;
const globsMax = 100;
const labelsMax = 32;
const progressDeadlineMsDefault = 600_000;
const labelKeyPattern =
  /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const labelValuePattern = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

export function parsePipelineSpec(
  spec: Node,
  { name, project }: { name: PipelineName; project: ProjectName },
): PipelineDefinition {
  const at = readMapping(spec, { known: ['repository', 'include', 'exclude', 'stages'] });
  const include = readGlobs(at('include'));
  const stageNodes = readList(at('stages'));
  if (stageNodes.length === 0) fault(at('stages'), 'must have at least one stage');
  if (stageNodes.length > stagesMax) fault(at('stages'), `may have at most ${stagesMax} stages`);
  const stages = stageNodes.map((node) => ({ node, stage: parseStage(node, name) }));
  checkGraph(stages);
  return {
    name,
    project,
    repository: readNameOf<RepositoryName>(at('repository')),
    include: include.length === 0 ? ['**'] : include,
    exclude: readGlobs(at('exclude')),
    releases: releasePolicyDefault,
    stages: stages.map(({ stage }) => stage),
  };
}

function parseStage(node: Node, pipeline: PipelineName): StageDefinition {
  const at = readMapping(node, {
    known: ['name', 'after', 'clusters', 'path', 'promote', 'gates', 'rollout', 'render', 'apply'],
    notYet: ['supersede', 'source'],
  });
  const path = readText(at('path'));
  if (path !== '') checkPath(at('path'), path);
  return completeStage({
    name: readNameOf<StageName>(at('name')),
    after: readList(at('after')).map((each) => readNameOf<StageName>(each)),
    clusters: parseSelector(at('clusters')),
    path: path.replaceAll(/^(\.\/)+|\/+$/g, '').replace(/^\.$/, ''),
    promote: readChoice<'automatic' | 'manual'>(
      at('promote'),
      ['automatic', 'manual'],
      'automatic',
    ),
    gates: {
      soakMs: readDuration(
        readMapping(at('gates'), {
          known: ['soak'],
          notYet: ['approvals', 'windows', 'verifications', 'metrics', 'statuses'],
        })('soak'),
        { fallbackMs: 0 },
      ),
    },
    rollout: {
      progressDeadlineMs: readDuration(
        readMapping(at('rollout'), {
          known: ['progressDeadline'],
          notYet: ['waves', 'maxConcurrent', 'maxFailures', 'minHealthy', 'offline', 'onFailure'],
        })('progressDeadline'),
        { fallbackMs: progressDeadlineMsDefault, minMs: 1_000 },
      ),
    },
    render: parseRender(at('render'), pipeline),
    apply: parseApply(at('apply')),
  });
}

/** An empty selector would mean every cluster, production included: it must be written with a label. */
function parseSelector(node: Node): ClusterSelector {
  const place = readMapping(node, { known: ['matchLabels'] })('matchLabels');
  const entries = readEntries(place);
  if (entries.length === 0) fault(place, 'must name at least one label');
  if (entries.length > labelsMax) fault(place, `may name at most ${labelsMax} labels`);
  return {
    matchLabels: Object.fromEntries(
      entries.map((entry) => {
        const key = entry.path.slice(place.path.length + 1);
        if (!labelKeyPattern.test(key)) fault(entry, 'is no key of a label');
        const { value } = entry;
        if (typeof value !== 'string' || !labelValuePattern.test(value) || value.length > 63) {
          fault(
            entry,
            'must be a label value: text of at most 63 letters, digits, "-", "_" and "."',
          );
        }
        return [key, String(value)];
      }),
    ),
  };
}

function readGlobs(node: Node): string[] {
  const globs = readList(node).map((each) => {
    const glob = readText(each);
    if (glob !== '') checkGlob(each, glob);
    return glob;
  });
  if (globs.length > globsMax) fault(node, `may have at most ${globsMax} patterns`);
  return globs;
}

export function readNameOf<Name extends Parameters<typeof identity>[0]>(node: Node): Name {
  if (isAbsent(node)) {
    fault(node, 'is missing');
    return '' as Name;
  }
  const parsed = parseName<Name>(node.value);
  if (parsed.ok) return parsed.value;
  fault(node, parsed.error);
  return String(node.value) as Name;
}

const identity = (name: ProjectName | RepositoryName | PipelineName | StageName) => name;

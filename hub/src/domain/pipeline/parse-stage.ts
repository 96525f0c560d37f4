import type { PipelineName, StageName } from '@fairlead/shared/ids';
import { completeStage, supersedePolicyDefault } from './defaults.ts';
import type { StageDefinition, SupersedePolicy } from './definition.ts';
import { afterMax, soaksMax } from './limits.ts';
import { readGates, readNameOf, readPeople } from './names.ts';
import { parseApply } from './parse-apply.ts';
import { parseGates } from './parse-gates.ts';
import { parseRender } from './parse-render.ts';
import { parseRollout } from './parse-rollout.ts';
import { checkPath, readGlobs } from './paths.ts';
import {
  fault,
  isAbsent,
  type Node,
  readBoolean,
  readChoice,
  readCount,
  readLimitedList,
  readMapping,
  readText,
} from './reader.ts';
import { parseSelector } from './selector.ts';

/** What only a stage with clusters has. */
const clusterKeys = ['path', 'concernedBy', 'rollout', 'render', 'apply'] as const;

export function parseStage(node: Node, pipeline: PipelineName): StageDefinition {
  const at = readMapping(node, {
    known: [
      'name',
      'after',
      'clusters',
      'path',
      'concernedBy',
      'promote',
      'supersede',
      'backfill',
      'holdAfterRollback',
      'gates',
      'hotfix',
      'rollout',
      'render',
      'apply',
    ],
    notYet: ['source'],
  });
  const hotfix = parseHotfix(at('hotfix'));
  return completeStage({
    name: readNameOf<StageName>(at('name')),
    ...parseAfter(at('after')),
    ...parsePlace(at, pipeline),
    promote: readChoice<StageDefinition['promote']>(
      at('promote'),
      ['automatic', 'manual'],
      'automatic',
    ),
    supersede: parseSupersede(at('supersede')),
    backfill: readBoolean(at('backfill'), false),
    holdAfterRollback: readChoice<StageDefinition['holdAfterRollback']>(
      at('holdAfterRollback'),
      ['until-resumed', 'until-newer-release'],
      'until-resumed',
    ),
    gates: parseGates(at('gates')),
    ...(hotfix === undefined ? {} : { hotfix }),
  });
}

/** Where the stage's releases go; a stage without clusters is a control stage, and has none of it. */
function parsePlace(at: (key: string) => Node, pipeline: PipelineName) {
  const isControl = isAbsent(at('clusters'));
  const absent = (key: string): Node => ({ ...at(key), value: undefined });
  if (isControl) {
    for (const key of clusterKeys.filter((each) => !isAbsent(at(each)))) {
      fault(at(key), 'is not for a stage without clusters: name its clusters, or leave it away');
    }
  }
  const part = isControl ? absent : at;
  const path = isControl ? '' : readText(part('path'));
  if (path !== '') checkPath(part('path'), path);
  return {
    ...(isControl ? {} : { clusters: parseSelector(at('clusters')) }),
    path: path.replaceAll(/^(\.\/)+|\/+$/g, '').replace(/^\.$/, ''),
    concernedBy: readGlobs(part('concernedBy')),
    rollout: parseRollout(part('rollout')),
    render: parseRender(part('render'), pipeline),
    apply: parseApply(part('apply')),
  };
}

/** A list, of which all are meant, or `{any: […]}` or `{all: […]}`. */
function parseAfter(node: Node): Pick<StageDefinition, 'after' | 'afterMode'> {
  if (isAbsent(node) || Array.isArray(node.value)) {
    return { after: readStageNames(node), afterMode: 'all' };
  }
  const at = readMapping(node, { known: ['any', 'all'] });
  const afterMode = isAbsent(at('any')) ? 'all' : 'any';
  const after = readStageNames(at(afterMode));
  const isOne = isAbsent(at('any')) !== isAbsent(at('all'));
  if (typeof node.value === 'object' && (!isOne || after.length === 0)) {
    fault(node, 'must be a list of stages, or have either any or all with such a list');
  }
  return { after, afterMode };
}

const readStageNames = (node: Node): StageName[] =>
  readLimitedList(node, afterMax).map((each) => readNameOf<StageName>(each));

/** A mode, or a mapping of mode, soaks and interrupt. */
function parseSupersede(node: Node): SupersedePolicy {
  const modes = ['latest', 'finish-current', 'latest-after'] as const;
  const fallback = supersedePolicyDefault;
  const isMapping = typeof node.value === 'object' && !isAbsent(node);
  const at = readMapping(isMapping ? node : { ...node, value: undefined }, {
    known: ['mode', 'soaks', 'interrupt'],
  });
  const mode = readChoice(isMapping ? at('mode') : node, modes, fallback.mode);
  const soaks = readCount(at('soaks'), { fallback: 0, min: 1, max: soaksMax });
  if (mode === 'latest-after' && isAbsent(at('soaks'))) {
    fault(at('soaks'), 'is missing: write supersede: {mode: latest-after, soaks: 3}');
  }
  if (mode !== 'latest-after' && !isAbsent(at('soaks'))) {
    fault(at('soaks'), 'is for the mode latest-after only');
  }
  return {
    mode,
    soaks: mode === 'latest-after' ? soaks : 0,
    interrupt: readBoolean(at('interrupt'), fallback.interrupt),
  };
}

function parseHotfix(node: Node): StageDefinition['hotfix'] {
  if (isAbsent(node)) return undefined;
  const at = readMapping(node, { known: ['mayBypass', 'from'] });
  const mayBypass = readGates(at('mayBypass'));
  if (mayBypass.length === 0) fault(at('mayBypass'), 'must name at least one gate');
  const from = readPeople(at('from'));
  return { mayBypass, from };
}

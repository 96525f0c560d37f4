import { parseExpression } from '@fairlead/shared/expression';
import { type PipelineName, parseName } from '@fairlead/shared/ids';
import type { ApplyPolicy, HealthCheck, IgnoreRule } from './definition.ts';
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

const deletionObjectsMaxDefault = 10;
const deletionPercentMaxDefault = 30;
const dependenciesMax = 32;
const ignoreRulesMax = 100;
const ignorePlacesMax = 100;
const healthChecksMax = 100;

export function parseApply(node: Node): ApplyPolicy {
  const at = readMapping(node, {
    known: [
      'namespace',
      'createNamespace',
      'serviceAccount',
      'prune',
      'drift',
      'adopt',
      'conflicts',
      'deletionBudget',
      'dependsOn',
      'ignoreDifferences',
      'healthChecks',
    ],
  });
  const budget = readMapping(at('deletionBudget'), { known: ['objects', 'percent'] });
  return {
    namespace: readNameText(at('namespace'), 'default'),
    createNamespace: readBoolean(at('createNamespace'), false),
    prune: readBoolean(at('prune'), true),
    drift: readChoice(at('drift'), ['repair', 'report'], 'repair'),
    adopt: readChoice(at('adopt'), ['if-unowned', 'if-equal', 'always'], 'if-unowned'),
    conflicts: readChoice(at('conflicts'), ['fail', 'take', 'leave'], 'fail'),
    deletionBudget: {
      objectsMax: readCount(budget('objects'), {
        fallback: deletionObjectsMaxDefault,
        max: 20_000,
      }),
      percentMax: readCount(budget('percent'), { fallback: deletionPercentMaxDefault, max: 100 }),
    },
    dependsOn: readLimitedList(at('dependsOn'), dependenciesMax).map(
      (each) => readNameText(each) as PipelineName,
    ),
    ignoreDifferences: readLimitedList(at('ignoreDifferences'), ignoreRulesMax).map(
      parseIgnoreRule,
    ),
    healthChecks: parseHealthChecks(at('healthChecks')),
    ...(isAbsent(at('serviceAccount'))
      ? {}
      : { serviceAccountName: readNameText(at('serviceAccount')) }),
  };
}

function parseIgnoreRule(node: Node): IgnoreRule {
  const at = readMapping(node, {
    known: ['group', 'kind', 'namespace', 'name', 'jsonPointers', 'managers'],
  });
  const jsonPointers = readLimitedList(at('jsonPointers'), ignorePlacesMax).map((each) => {
    const pointer = readText(each);
    if (!/^(?:\/(?:[^~]|~[01])*)+$/.test(pointer)) {
      fault(each, 'must be a JSON pointer such as /spec/replicas ("~1" stands for "/")');
    }
    return pointer;
  });
  const managers = readLimitedList(at('managers'), ignorePlacesMax).map((each) => readText(each));
  if (jsonPointers.length + managers.length === 0) {
    fault(node, 'must name jsonPointers or managers: what to ignore');
  }
  return {
    group: readOptionalText(at('group')),
    kind: readOptionalText(at('kind')),
    namespace: readOptionalText(at('namespace')),
    name: readOptionalText(at('name')),
    jsonPointers,
    managers,
  };
}

function parseHealthChecks(node: Node): HealthCheck[] {
  const seen = new Set<string>();
  return readLimitedList(node, healthChecksMax).map((each) => {
    const check = parseHealthCheck(each);
    const name = `${check.apiVersion} ${check.kind}`;
    if (seen.has(name)) fault(each, `repeats ${name}: one entry judges a kind`);
    seen.add(name);
    return check;
  });
}

function parseHealthCheck(node: Node): HealthCheck {
  const at = readMapping(node, {
    known: ['apiVersion', 'kind', 'current', 'inProgress', 'failed'],
  });
  const expression = (key: 'current' | 'inProgress' | 'failed'): string => {
    const text = readOptionalText(at(key));
    const read = text === '' ? undefined : parseExpression(text);
    if (read?.ok === false) fault(at(key), `is not a valid CEL expression: ${read.error}`);
    return text;
  };
  if (isAbsent(at('current'))) {
    fault(at('current'), 'is missing: without it the kind would never be healthy');
  }
  return {
    apiVersion: readText(at('apiVersion')),
    kind: readText(at('kind')),
    current: expression('current'),
    inProgress: expression('inProgress'),
    failed: expression('failed'),
  };
}

const readOptionalText = (node: Node): string => (isAbsent(node) ? '' : readText(node));

function readNameText(node: Node, fallback?: string): string {
  const text = readText(node, fallback);
  const parsed = parseName(text);
  if (!parsed.ok && text !== '') fault(node, parsed.error);
  return text;
}

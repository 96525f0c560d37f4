import type { MatchRule, ReleasePolicy } from './definition.ts';
import { matchPathsMax, matchRulesMax, patternCharactersMax } from './limits.ts';
import { readGates } from './names.ts';
import { checkPlainPath } from './paths.ts';
import {
  fault,
  type Node,
  readDistinct,
  readDuration,
  readLimitedList,
  readMapping,
  readText,
} from './reader.ts';

export function parseReleases(node: Node): ReleasePolicy {
  const at = readMapping(node, { known: ['quietPeriod', 'mustMatch', 'revertBypasses'] });
  return {
    quietPeriodMs: readDuration(at('quietPeriod'), { fallbackMs: 0 }),
    mustMatch: readLimitedList(at('mustMatch'), matchRulesMax).map(parseMatchRule),
    revertBypasses: readGates(at('revertBypasses')),
  };
}

function parseMatchRule(node: Node): MatchRule {
  const at = readMapping(node, { known: ['paths', 'pattern'] });
  const paths = readDistinct(at('paths'), matchPathsMax, (each) => {
    const path = readText(each);
    if (path !== '') checkPlainPath(each, path);
    return path;
  });
  if (paths.length < 2) fault(at('paths'), 'must name at least two files to compare');
  const pattern = readText(at('pattern'));
  const problem = pattern === '' ? undefined : problemOf(pattern);
  if (problem !== undefined) fault(at('pattern'), problem);
  return { paths, pattern };
}

function problemOf(pattern: string): string | undefined {
  if (pattern.length > patternCharactersMax) {
    return `must have at most ${patternCharactersMax} characters`;
  }
  if (/\(\?<?[=!]/.test(pattern))
    return 'must not look around: (?=, (?!, (?<= and (?<! are unknown';
  if (/\\[1-9]|\\k</.test(pattern)) return 'must not refer back to a group';
  try {
    // With an empty alternative the expression matches, and the match tells how many groups it has.
    const groups = (new RegExp(`${pattern}|`, 'u').exec('')?.length ?? 1) - 1;
    return groups === 0 ? 'must have a group: the value that is compared' : undefined;
  } catch {
    return 'is no regular expression';
  }
}

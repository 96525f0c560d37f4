import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import type { Result } from '@fairlead/shared/result';
import { type ObjectHealth, unknown } from '../health/index.ts';
import { compileExpression, type Expression } from './expression.ts';
import { compileRule, type Rule, type RuleSource } from './rule.ts';

/** One entry of a data file: the kinds (`*` for all of the group) and what decides their health. */
export type TableRule = RuleSource & {
  readonly kinds: readonly string[];
  /** A template whose expressions and values this entry takes over where it has none of its own. */
  readonly use?: string;
};

export type RuleTable = {
  readonly templates: Readonly<Record<string, RuleSource>>;
  /** JSON of `TableRule[]` each, read on first use. */
  readonly files: readonly string[];
  /** By API group, or `*.suffix` for a family of groups: which of the files has its rules. */
  readonly groups: Readonly<Record<string, number>>;
};

export const rulesOfGroup = ({ files, groups }: RuleTable, group: string): readonly TableRule[] =>
  JSON.parse(files[groups[group] ?? -1] ?? '[]') as TableRule[];

export type RuleLookup = (object: KubernetesObject) => ObjectHealth | undefined;

/** The names under which a group's rules may stand, the most particular first. */
export function* groupNames(group: string): Generator<string> {
  yield group;
  for (let dot = group.indexOf('.'); dot >= 0; dot = group.indexOf('.', dot + 1)) {
    yield `*${group.slice(dot)}`;
  }
}

/** Judges by the table; `undefined` for a kind that it does not name. Groups are read and kinds compiled on first use. */
export function createRuleLookup(table: RuleTable): RuleLookup {
  const groups = new Map<string, readonly TableRule[]>();
  const rules = new Map<string, Rule | undefined>();
  const expressions = new Map<string, Result<Expression, string>>();

  const compile = (source: string) => {
    const known = expressions.get(source) ?? compileExpression(source);
    expressions.set(source, known);
    return known;
  };
  const rulesOf = (name: string): readonly TableRule[] => {
    const known = groups.get(name) ?? rulesOfGroup(table, name);
    groups.set(name, known);
    return known;
  };
  const find = (group: string, kind: string): TableRule | undefined => {
    for (const name of groupNames(group)) {
      if (!Object.hasOwn(table.groups, name)) continue;
      const all = rulesOf(name);
      const rule =
        all.find(({ kinds }) => kinds.includes(kind)) ??
        all.find(({ kinds }) => kinds.includes('*'));
      if (rule) return rule;
    }
    return undefined;
  };

  return (object) => {
    const group = groupOf(object.apiVersion);
    const name = `${group}/${object.kind}`;
    if (!rules.has(name)) {
      const found = find(group, object.kind);
      rules.set(name, found && ruleOf(expand(found, table.templates), compile));
    }
    return rules.get(name)?.(object);
  };
}

/** An entry with what its template adds. */
export function expand(
  { use, kinds: _, ...own }: TableRule,
  templates: RuleTable['templates'],
): RuleSource {
  const template = use === undefined ? {} : templates[use];
  return { ...template, ...own, given: { ...template?.given, ...own.given } };
}

function ruleOf(source: RuleSource, compile: Parameters<typeof compileRule>[1]): Rule {
  const rule = compileRule(source, compile);
  if (rule.ok) return rule.value;
  const [fault] = rule.error;
  return () => unknown(`the rule for this kind is wrong: ${fault?.field} ${fault?.message}`);
}

import { err, ok, type Result } from '@fairlead/shared/result';
import type { Assignment, Verification } from '../link/index.ts';
import { type ClusterPolicy, trustedKeysName, type UnitRule } from './cluster-policy.ts';

/** Under which terms an assignment may be worked on. */
export type Permit = {
  /** The stricter of what the hub and what the cluster asks for. */
  readonly signatures: Verification['mode'];
  /** ConfigMaps or Secrets in the agent's namespace: a key of any of them will do. */
  readonly keySources: readonly string[];
  /** Where the unit's objects may live; undefined is everywhere. */
  readonly namespaces: readonly string[] | undefined;
  readonly clusterScoped: boolean;
  /** `refused`: a prune stays within the default budget, and the hub's confirmation of a larger one does not count. */
  readonly deletion: 'allowed' | 'refused';
  /** ConfigMaps and Secrets in the agent's namespace that decide whom the cluster trusts: no unit may hold them. */
  readonly guardedNames: readonly string[];
};

const strictness: Readonly<Record<Verification['mode'], number>> = {
  none: 0,
  warn: 1,
  required: 2,
};

/** Whether the cluster's policy lets the assignment through at all, and under which terms; or why not. */
export function judgeAssignment(
  policy: ClusterPolicy,
  assignment: Assignment,
): Result<Permit, string> {
  const fault = optionFault(policy, assignment);
  if (fault !== undefined) return err(fault);
  const rule = matchingRule(policy, assignment);
  if (!rule.ok) return rule;
  const keySources = keySourcesOf(policy, rule.value, assignment);
  if (!keySources.ok) return keySources;
  const asked = assignment.verification.mode;
  const own = policy.signatures?.mode ?? 'none';
  return ok({
    signatures: strictness[own] > strictness[asked] ? own : asked,
    keySources: keySources.value,
    namespaces: rule.value?.namespaces,
    clusterScoped: rule.value?.namespaces === undefined || rule.value.clusterScoped,
    deletion: policy.deletion,
    guardedNames: keyNamesOf(policy, keySources.value),
  });
}

function optionFault(policy: ClusterPolicy, assignment: Assignment): string | undefined {
  const { apply, render, disposition } = assignment;
  if (policy.deletion === 'refused' && disposition === 'delete') {
    return 'its policy refuses orders to delete a unit (deletion: refused)';
  }
  // To leave objects as they are takes no right.
  if (disposition !== 'run') return undefined;
  if (policy.serviceAccounts === 'required' && apply.serviceAccount === '') {
    return 'its policy asks for a service account for each unit (serviceAccounts: required), and the stage names none';
  }
  const hasInlineValues =
    Object.keys(render.helmValues).length > 0 || render.substitution !== undefined;
  if (policy.inlineValues === 'refused' && hasInlineValues) {
    return 'its policy refuses Helm values and substitutions that are not in the commit (inlineValues: refused)';
  }
  const takesOver = apply.adopt === 'always' || apply.conflicts === 'take';
  if (policy.takeOver === 'refused' && takesOver) {
    return 'its policy refuses to take objects or fields from another owner (takeOver: refused)';
  }
  return undefined;
}

function matchingRule(
  { units }: ClusterPolicy,
  assignment: Assignment,
): Result<UnitRule | undefined, string> {
  if (units === undefined) return ok(undefined);
  const { pipeline } = assignment;
  const rules = units.filter(({ pipelines }) =>
    pipelines.some((name) => name === '*' || name === pipeline),
  );
  if (rules.length === 0) return err(`its policy has no rule for pipeline ${pipeline}`);
  const faults: string[] = [];
  for (const rule of rules) {
    const fault = ruleFault(rule, assignment);
    if (fault === undefined) return ok(rule);
    faults.push(fault);
  }
  return err(`its policy allows pipeline ${pipeline} ${faults.join(', or ')}`);
}

function ruleFault(rule: UnitRule, { path, apply, disposition }: Assignment): string | undefined {
  const { paths, serviceAccounts, namespaces } = rule;
  if (disposition !== 'run') return undefined;
  if (paths && !paths.some((folder) => path === folder || path.startsWith(`${folder}/`))) {
    return `only the paths ${paths.join(', ')}, and not ${path || 'the top'}`;
  }
  if (serviceAccounts && !serviceAccounts.includes(apply.serviceAccount)) {
    return `only the service accounts ${serviceAccounts.join(', ')}, and not ${apply.serviceAccount || "the agent's own rights"}`;
  }
  const namespace = apply.namespace || 'default';
  // The service account is one of this namespace, so it must be an allowed one even where no object lives in it.
  if (namespaces && !namespaces.includes(namespace)) {
    return `only the namespaces ${namespaces.join(', ')}, and not ${namespace}`;
  }
  return undefined;
}

/** The hub may ask for fewer keys than the cluster trusts, never for others. */
function keySourcesOf(
  policy: ClusterPolicy,
  rule: UnitRule | undefined,
  { verification }: Assignment,
): Result<readonly string[], string> {
  const asked = verification.keysName;
  const trusted = rule?.keys ?? policy.signatures?.keys;
  if (trusted === undefined) return ok([asked || trustedKeysName]);
  if (asked === '') return ok(trusted);
  if (trusted.includes(asked)) return ok([asked]);
  return err(
    `the repository's keys ${asked} are not among those that its policy trusts (${trusted.join(', ')})`,
  );
}

/** Every ConfigMap and Secret that decides whom the cluster trusts. */
const keyNamesOf = (
  { signatures, units }: ClusterPolicy,
  asked: readonly string[],
): readonly string[] => [
  ...new Set([
    ...asked,
    ...(signatures?.keys ?? []),
    ...(units ?? []).flatMap(({ keys }) => keys ?? []),
  ]),
];

import { type KubernetesObject, objectKey } from '@fairlead/shared/manifest';
import type { Result } from '@fairlead/shared/result';
import type { Permit } from '../../domain/policy/index.ts';
import type { Context } from '../context.ts';
import { UnitError } from '../failure.ts';
import { shortKey } from '../live/readiness.ts';
import type { Refusal } from '../ports.ts';
import type { Unit } from '../unit.ts';

/** The cluster's terms for the unit's assignment; asked anew with each try, because a person may have changed them. */
export async function askPermit({ trust }: Context, unit: Unit): Promise<Permit> {
  const permit = granted(await trust.permit(unit.assignment));
  unit.work.signal.throwIfAborted();
  unit.permit = permit;
  return permit;
}

/** Whether the commit is signed as the terms ask; who signed it, or that nobody trusted did, goes on record. */
export async function verifyCommit(context: Context, unit: Unit, permit: Permit): Promise<void> {
  const { signer, warning } = granted(await context.trust.verify(unit.assignment, permit));
  unit.work.signal.throwIfAborted();
  const isNews = unit.signatureWarning !== warning;
  unit.signatureWarning = warning;
  if (warning !== '' && isNews) context.audit(unit, 'SignatureWarned', warning);
  if (signer !== '' && unit.failures === 0) {
    context.audit(unit, 'SignatureVerified', `the commit was signed by ${signer}`);
  }
}

function granted<Value>(answer: Result<Value, Refusal>): Value {
  if (answer.ok) return answer.value;
  throw new UnitError(answer.error.message, answer.error);
}

/**
 * Refuses the whole unit, before anything is applied, when one of its objects lies where the agent or the unit may not
 * work, or is one of those by which the cluster holds its agent.
 */
export function refuseOutOfScope(
  bounds: Bounds,
  permit: Permit,
  desired: readonly KubernetesObject[],
): void {
  for (const object of desired) {
    const fault = scopeFault(bounds, permit, object);
    if (fault === '') continue;
    throw new UnitError(`${fault}; nothing was applied`, {
      terminal: true,
      audit: 'PolicyRefused',
      object: objectKey(object),
    });
  }
}

/** Where the agent itself lives and may work. */
export type Bounds = Pick<Context, 'agentNamespace' | 'watchNamespaces'>;

/** Why an object may not be applied for its place or its name, in words; empty when it may. */
export function scopeFault(
  { agentNamespace, watchNamespaces }: Bounds,
  permit: Permit,
  object: KubernetesObject,
): string {
  const key = objectKey(object);
  const fault = isAnchor(object, agentNamespace, permit)
    ? 'is what this cluster holds its agent by, and no unit may change it'
    : key.namespace === ''
      ? clusterScopeFault(watchNamespaces, permit)
      : namespaceFault(key.namespace, watchNamespaces, permit);
  return fault === '' ? '' : `${shortKey(key)} ${fault}`;
}

/** The policy, the trusted keys and the agent's own identity. */
function isAnchor(
  { kind, metadata }: KubernetesObject,
  agentNamespace: string,
  { guardedNames }: Permit,
): boolean {
  if (metadata.namespace !== agentNamespace) return false;
  if (kind !== 'ConfigMap' && kind !== 'Secret') return false;
  return metadata.name.startsWith('fairlead-') || guardedNames.includes(metadata.name);
}

function clusterScopeFault(watched: readonly string[] | undefined, permit: Permit): string {
  if (watched) {
    return `lives in no namespace, and this agent works only in ${watched.join(', ')}: let an administrator apply it, or install the agent for the whole cluster`;
  }
  return permit.clusterScoped
    ? ''
    : "lives in no namespace, and this cluster's policy keeps the unit to its namespaces (clusterScoped: false)";
}

function namespaceFault(
  namespace: string,
  watched: readonly string[] | undefined,
  { namespaces }: Permit,
): string {
  if (watched && !watched.includes(namespace)) {
    return `lies outside of the namespaces of this agent, ${watched.join(', ')}`;
  }
  if (namespaces && !namespaces.includes(namespace)) {
    return `lies outside of the namespaces that this cluster's policy allows the unit, ${namespaces.join(', ')}`;
  }
  return '';
}

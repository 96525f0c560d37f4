import { type Cluster, ClusterError, type ServiceAccount } from '../cluster/index.ts';
import type { Assignment } from '../domain/link/index.ts';
import type { Context } from './context.ts';
import type { Unit } from './unit.ts';

/** What is asked of the API server about a unit's own objects. */
export type UnitRequests = Pick<Cluster, 'apply' | 'get' | 'remove' | 'setManagedFields'>;

/**
 * The unit's requests, made as its service account where it names one, so that it can do nothing that this account may
 * not; a repair is made as the account of the assignment that it repairs. Every request about a unit's objects goes through
 * here; watches, and the unit's own status object, are the agent's.
 */
export function requestsOf(
  context: Context,
  unit: Unit,
  assignment: Assignment = unit.assignment,
): UnitRequests {
  const cluster = context.ownCluster;
  const as = accountOf(assignment);
  return {
    apply: (object, options) => withRemedy(as, cluster.apply(object, { ...options, as })),
    get: (address, signal) => withRemedy(as, cluster.get(address, signal, as)),
    setManagedFields: (object, managedFields, signal) =>
      withRemedy(as, cluster.setManagedFields(object, managedFields, signal, as)),
    remove: (address, options) => withRemedy(as, cluster.remove(address, { ...options, as })),
  };
}

/** In whose name an assignment is worked on; `undefined` is the agent itself. */
export const accountOf = ({ apply }: Assignment): ServiceAccount | undefined =>
  apply.serviceAccount
    ? { namespace: apply.namespace || 'default', name: apply.serviceAccount }
    : undefined;

/** The API server says who may not do what; this adds what to do about it. */
export async function withRemedy<Value>(
  as: ServiceAccount | undefined,
  answer: Promise<Value>,
): Promise<Value> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'forbidden') throw error;
    const remedy = as
      ? `grant it to the unit's service account ${as.namespace}/${as.name} by a Role and a RoleBinding, and let the agent impersonate that account`
      : "grant it to the agent's service account, or name one with this right in the stage's apply.serviceAccount";
    const { status, cause } = error;
    throw new ClusterError('forbidden', `${error.message}; ${remedy}`, { status, cause });
  }
}

import { ClusterError } from '../cluster/index.ts';
import type { UnitReport } from '../domain/link/index.ts';
import type { Context } from './context.ts';
import { parentObject, parentStatus } from './parent.ts';
import type { Unit } from './unit.ts';

/**
 * Writes the ApplySet's parent, before the first apply, with every kind that may hold members. The workloads matter more
 * than their parent: when its definition is gone (F09), the unit goes on without one.
 */
export async function writeParent(context: Context, unit: Unit): Promise<void> {
  const { cluster, agentNamespace, logger } = context;
  const keys = unit.inventory?.entries.map(({ key }) => key) ?? [];
  try {
    await cluster.apply(parentObject(unit.id, agentNamespace, keys), {
      force: true,
      signal: unit.work.signal,
    });
  } catch (error) {
    unit.work.signal.throwIfAborted();
    if (!(error instanceof ClusterError) || error.code === 'unavailable') throw error;
    logger.warn({ unit: unit.id, reason: error.message }, 'the unit object cannot be written');
  }
}

export async function writeParentStatus(
  { cluster, agentNamespace }: Context,
  unit: Unit,
  report: UnitReport,
): Promise<void> {
  const { apiVersion, kind, metadata } = parentObject(unit.id, agentNamespace, []);
  const { name, namespace } = metadata;
  await cluster.applyStatus(
    { apiVersion, kind, metadata: { name, namespace }, status: parentStatus(report) },
    { force: true },
  );
}

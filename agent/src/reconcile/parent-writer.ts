import type { KubernetesObject } from '@fairlead/shared/manifest';
import { ClusterError } from '../cluster/index.ts';
import type { UnitReport } from '../domain/link/index.ts';
import type { Context } from './context.ts';
import { parentObject, parentStatus } from './parent.ts';
import type { Unit } from './unit.ts';

/** The parent as the inventory wants it. */
export const parentOf = (unit: Unit, agentNamespace: string): KubernetesObject =>
  parentObject(unit.id, agentNamespace, unit.inventory?.entries.map(({ key }) => key) ?? []);

/**
 * Writes the ApplySet's parent with the kinds of its members, where they have changed, and its status. It comes after
 * the applies: what a unit owns is said by the label and the annotation on each object and by the journal, so a crash
 * before this write orphans nothing. Only an agent that lost its journal as well learns from the parent which kinds it
 * must look through. The workloads matter more than their parent: when its definition is gone (F09), the unit goes on
 * without one.
 */
export async function writeParent(
  context: Context,
  unit: Unit,
  report: UnitReport,
  isMembersNews: boolean,
): Promise<void> {
  const { cluster, agentNamespace, logger } = context;
  const parent = parentOf(unit, agentNamespace);
  const { apiVersion, kind, metadata } = parent;
  const { name, namespace } = metadata;
  const write = async () => {
    // A unit that is being removed has its parent, or needs none.
    const isGoing = unit.assignment.disposition === 'delete';
    if (isMembersNews && !isGoing) await cluster.apply(parent, { force: true });
    const named = { apiVersion, kind, metadata: { name, namespace } };
    await cluster.applyStatus({ ...named, status: parentStatus(report) }, { force: true });
  };
  const writing = write();
  unit.parentWrite = writing.catch(() => {});
  try {
    await writing;
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code === 'unavailable') throw error;
    logger.warn({ unit: unit.id, reason: error.message }, 'the unit object cannot be written');
  }
}

import { ClusterError } from '../../cluster/index.ts';
import type { UnitReport } from '../../domain/link/index.ts';
import type { Context } from '../context.ts';
import type { Unit } from '../unit.ts';
import { parentObject } from './parent.ts';

/** The parent as the inventory and the report want it. */
export const parentOf = (unit: Unit, agentNamespace: string, report: UnitReport) =>
  parentObject(
    unit.assignment,
    agentNamespace,
    unit.inventory?.entries.map(({ key }) => key) ?? [],
    report,
  );

/**
 * Writes the ApplySet's parent. It comes after the applies: what a unit owns is said by the label and the annotation on
 * each object and by the journal, so a crash before this write orphans nothing. Only an agent that lost its journal as
 * well learns from the parent which kinds it must look through. The workloads matter more than their parent: when its
 * definition is gone (F09), the unit goes on without one.
 */
export async function writeParent(context: Context, unit: Unit, report: UnitReport): Promise<void> {
  const { ownCluster: cluster, agentNamespace, logger } = context;
  // A unit that is being removed has its parent, or needs none; making it again would outlive the unit.
  if (unit.assignment.disposition === 'delete') return;
  const writing = cluster.apply(parentOf(unit, agentNamespace, report), { force: true });
  unit.parentWrite = writing.then(
    () => {},
    () => {},
  );
  try {
    await writing;
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code === 'unavailable') throw error;
    logger.warn({ unit: unit.id, reason: error.message }, 'the unit object cannot be written');
  }
}

import type { DecisionLog } from '../decision-log/index.ts';
import type { AuditIndexView } from '../read-model/index.ts';
import { auditDocument } from './documents.ts';
import type { AuditEntryDocument } from './schemas.ts';

/** Reads the entries that index rows name, in their order; neighbours in the log are read together. */
export async function readEntries(
  log: Pick<DecisionLog, 'readAfter'>,
  rows: readonly AuditIndexView[],
): Promise<AuditEntryDocument[]> {
  const byPosition = new Map<number, AuditEntryDocument>();
  const ascending = rows.toSorted((left, right) => left.position - right.position);
  for (let start = 0; start < ascending.length; ) {
    let end = start + 1;
    while (ascending[end]?.position === (ascending[end - 1]?.position ?? 0) + 1) end++;
    const run = ascending.slice(start, end);
    const entries = await log.readAfter((run[0]?.position ?? 1) - 1, run.length);
    for (const [index, entry] of entries.entries()) {
      const { pipeline, stage, cluster, commit } = run[index] ?? {};
      byPosition.set(
        entry.position,
        auditDocument(entry, {
          pipeline: pipeline ?? undefined,
          stage: stage ?? undefined,
          cluster: cluster ?? undefined,
          commit: commit ?? undefined,
        }),
      );
    }
    start = end;
  }
  return rows.flatMap(({ position }) => byPosition.get(position) ?? []);
}

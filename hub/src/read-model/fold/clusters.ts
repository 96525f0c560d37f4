import { and, eq, isNull, sql } from 'drizzle-orm';
import type { ClusterEvent } from '../../domain/fleet/events.ts';
import type { Orm } from '../orm.ts';
import { clusterTable } from '../schema.ts';
import type { Entry, FoldBatch } from './batch.ts';

type ClusterRow = typeof clusterTable.$inferSelect;

/** Folds one entry of a stream `cluster/<name>`: but for the first, its events are about the name's present cluster. */
export function createClusterFold(orm: Orm) {
  const byName = orm
    .select()
    .from(clusterTable)
    .where(and(eq(clusterTable.name, sql.placeholder('name')), isNull(clusterTable.removedAt)))
    .prepare();

  return (batch: FoldBatch, entry: Entry<ClusterEvent>): void => {
    const { event, recordedAt } = entry;
    if (event.type === 'ClusterAdded') {
      const { id, name, project, labels } = event;
      batch.registrations.add(id);
      orm
        .insert(clusterTable)
        .values({
          id,
          name,
          project,
          labels,
          claims: {},
          status: 'pending',
          statusSince: recordedAt,
          connection: 'none',
          quarantined: false,
          revoked: false,
          addedAt: recordedAt,
        })
        .run();
      return;
    }
    const row = byName.get({ name: entry.stream.slice('cluster/'.length) });
    if (row === undefined) return;
    const change = changeOf(event, row, recordedAt);
    if (change === undefined) return;
    batch.registrations.add(row.id);
    const status = statusOf({ ...row, ...change });
    const since = status === row.status ? {} : { status, statusSince: recordedAt };
    orm
      .update(clusterTable)
      .set({ ...change, ...since })
      .where(eq(clusterTable.id, row.id))
      .run();
  };
}

function changeOf(
  event: Exclude<ClusterEvent, { type: 'ClusterAdded' }>,
  row: ClusterRow,
  at: number,
): Partial<ClusterRow> | undefined {
  switch (event.type) {
    case 'ClusterLabelsChanged':
      return { labels: event.labels };
    case 'JoinTokenIssued':
      return { joinTokenExpiresAt: event.expiresAt };
    case 'ClusterEnrolled':
      return {
        claims: event.claims,
        agentVersion: event.agentVersion,
        enrolledAt: at,
        natsPublicKey: event.natsPublicKey,
        certificateSerial: event.certificate.serial,
        certificateExpiresAt: event.certificate.expiresAt,
        // An enrolment by token is a person's word that this identity is the right one.
        ...(event.means === 'join-token' ? { quarantined: false, joinTokenExpiresAt: null } : {}),
      };
    case 'CertificateRenewed':
      return {
        natsPublicKey: event.natsPublicKey,
        agentVersion: event.agentVersion,
        certificateSerial: event.certificate.serial,
        certificateExpiresAt: event.certificate.expiresAt,
      };
    case 'ClusterConnected':
      return { connection: 'connected', agentVersion: event.agentVersion, lastSeenAt: at };
    case 'ClusterOffline':
      return {
        connection: 'offline',
        // 0 says that nobody has heard of it since the hub keeps count.
        ...(event.lastSeenAt > (row.lastSeenAt ?? 0) ? { lastSeenAt: event.lastSeenAt } : {}),
      };
    case 'ClusterQuarantined':
      return { quarantined: true };
    case 'ClusterRevoked':
      return { revoked: true, joinTokenExpiresAt: null };
    case 'ClusterRemoved':
      return { removedAt: at };
    case 'EpochRegressed': {
      const { units, unitsTotal, epoch } = event;
      return { ahead: { units, unitsTotal, epoch, since: at } };
    }
    case 'EpochRestored':
      return { ahead: null };
    case 'EnrolmentRefused':
      return undefined;
  }
}

function statusOf(row: ClusterRow): ClusterRow['status'] {
  if (row.revoked) return 'revoked';
  if (row.quarantined) return 'quarantined';
  if (row.connection !== 'none') return row.connection;
  return row.enrolledAt === null ? 'pending' : 'enrolled';
}

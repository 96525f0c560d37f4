import type { Instant } from '@fairlead/shared/time';
import type { ClusterState } from './state.ts';

/** Whether a connection with this certificate may go on; asked at each handshake and after each change. */
export function certificateAllowed(state: ClusterState, serial: string, at: Instant): boolean {
  if (state.status !== 'present' || state.revoked) return false;
  if (state.quarantinedInstanceIds !== undefined) return false;
  return [state.enrolment?.certificate, state.enrolment?.nextCertificate].some(
    (certificate) => certificate?.serial === serial && at < certificate.expiresAt,
  );
}

export type ClusterStatus =
  | 'pending'
  | 'connected'
  | 'offline'
  | 'revoked'
  | 'quarantined'
  | 'removed';

/** What a cluster is now; `lastSeenAt` is the hub's time of the last beat, if there was one. */
export function clusterStatus(
  state: ClusterState,
  seen: { lastSeenAt?: Instant; now: Instant; offlineAfterMs: number },
): ClusterStatus {
  if (state.status !== 'present') return 'removed';
  if (state.revoked) return 'revoked';
  if (state.quarantinedInstanceIds !== undefined) return 'quarantined';
  if (state.enrolment === undefined) return 'pending';
  if (seen.lastSeenAt === undefined) return 'offline';
  return seen.now - seen.lastSeenAt < seen.offlineAfterMs ? 'connected' : 'offline';
}

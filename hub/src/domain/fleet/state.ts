import type { ClusterId, ClusterName, ProjectName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { CertificateRecord } from './events.ts';

/** One name's present: never added, a cluster, or the memory of one that was removed. */
export type ClusterState =
  | { readonly status: 'absent' }
  | { readonly status: 'removed'; readonly id: ClusterId }
  | ({ readonly status: 'present' } & PresentCluster);

export type PresentCluster = {
  readonly id: ClusterId;
  readonly name: ClusterName;
  readonly project: ProjectName;
  readonly labels: Readonly<Record<string, string>>;
  /** Only the newest token counts; issuing one ends the one before. */
  readonly token?: { readonly hash: string; readonly expiresAt: Instant };
  /** Newest last, to tell a token that was used from one that never was; bounded. */
  readonly usedTokenHashes: readonly string[];
  readonly enrolment?: Enrolment;
  readonly revoked: boolean;
  /** The instances that used one identity at the same time. */
  readonly quarantinedInstanceIds?: readonly string[];
  readonly connection?: Connection;
  /** Refusals since the last other event, so that a guesser cannot grow the log without end. */
  readonly refusalsInARow: number;
  /** The newest epoch of what its agent holds beyond this log. */
  readonly aheadEpoch?: number;
};

export type Enrolment = {
  readonly clusterKeyHash: string;
  readonly clusterUid: string;
  readonly natsPublicKey: string;
  readonly agentVersion: string;
  readonly claims: Readonly<Record<string, string>>;
  readonly certificate: CertificateRecord;
  /** Issued and perhaps never received: both are valid until this one is used. */
  readonly nextCertificate?: CertificateRecord;
};

export type Connection =
  | { readonly status: 'connected'; readonly instanceId: string; readonly agentVersion: string }
  | { readonly status: 'offline'; readonly lastSeenAt: Instant };

export const initialClusterState: ClusterState = { status: 'absent' };

import type { ClusterId, ClusterName, ProjectName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { AheadUnit, CertificateRecord, EnrolmentRefusal } from './events.ts';

export type ClusterCommand =
  | {
      type: 'add-cluster';
      id: ClusterId;
      name: ClusterName;
      project: ProjectName;
      labels: Readonly<Record<string, string>>;
      tokenHash: string;
      tokenExpiresAt: Instant;
    }
  | { type: 'issue-join-token'; tokenHash: string; tokenExpiresAt: Instant }
  | { type: 'change-labels'; labels: Readonly<Record<string, string>> }
  | {
      type: 'enrol';
      /** Absent: the agent comes back with the cluster key that the hub knows. */
      tokenHash?: string;
      clusterKeyHash: string;
      clusterUid: string;
      natsPublicKey: string;
      certificate: CertificateRecord;
      agentVersion: string;
      claims: Readonly<Record<string, string>>;
      at: Instant;
    }
  | { type: 'record-refused-enrolment'; code: EnrolmentRefusal; address: string }
  | {
      type: 'renew';
      clusterKeyHash: string;
      /** Of the certificate that asks. */
      serial: string;
      natsPublicKey: string;
      certificate: CertificateRecord;
      agentVersion: string;
      at: Instant;
    }
  | {
      type: 'record-connected';
      instanceId: string;
      agentVersion: string;
      /** Of the certificate that the agent showed: its first use ends the one before. */
      serial?: string;
    }
  | { type: 'record-offline'; lastSeenAt: Instant }
  | { type: 'quarantine'; instanceIds: readonly string[] }
  | { type: 'revoke'; reason: string }
  | { type: 'remove'; reason: string }
  /** What the agent held when it opened its watch, as far as it is newer than the log. */
  | { type: 'record-held'; ahead: readonly AheadUnit[]; heldTotal: number; hubEpoch: number };

export type ClusterRejection = {
  readonly code:
    | EnrolmentRefusal
    | 'cluster_already_exists'
    | 'cluster_already_revoked'
    | 'certificate_superseded'
    | 'cluster_quarantined';
  readonly detail: string;
};

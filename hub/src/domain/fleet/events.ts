import type { ClusterId, ClusterName, ProjectName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';

/** One cluster name's history, in the stream `cluster/<name>`: a removed name may be added again with a new id. */
export type ClusterEvent =
  | {
      type: 'ClusterAdded';
      id: ClusterId;
      name: ClusterName;
      project: ProjectName;
      labels: Readonly<Record<string, string>>;
    }
  | { type: 'ClusterLabelsChanged'; labels: Readonly<Record<string, string>> }
  /** The token itself is shown once and never stored; `hash` is the SHA-256 of it, in hex. */
  | { type: 'JoinTokenIssued'; hash: string; expiresAt: Instant }
  | {
      type: 'ClusterEnrolled';
      id: ClusterId;
      /** SHA-256 of the cluster key's SubjectPublicKeyInfo, in hex: who may enrol again without a token. */
      clusterKeyHash: string;
      clusterUid: string;
      natsPublicKey: string;
      certificate: CertificateRecord;
      agentVersion: string;
      claims: Readonly<Record<string, string>>;
      means: 'join-token' | 'cluster-key';
    }
  | {
      type: 'CertificateRenewed';
      natsPublicKey: string;
      certificate: CertificateRecord;
      agentVersion: string;
      /** Of the certificate that asked for it. */
      renewedSerial?: string;
    }
  | { type: 'EnrolmentRefused'; code: EnrolmentRefusal; address: string }
  | { type: 'ClusterConnected'; instanceId: string; agentVersion: string; serial?: string }
  | { type: 'ClusterOffline'; lastSeenAt: Instant }
  | { type: 'ClusterQuarantined'; instanceIds: readonly string[] }
  | { type: 'ClusterRevoked'; reason: string }
  | { type: 'ClusterRemoved'; reason: string }
  /**
   * The agent holds assignments of a newer log than this one: the hub was restored from a backup, or the cluster had
   * another hub. It is told nothing until an operator has raised the hub's epoch above `epoch`.
   */
  | {
      type: 'EpochRegressed';
      /** The newest epoch that the agent holds. */
      epoch: number;
      /** The first ones. */
      units: readonly AheadUnit[];
      unitsTotal: number;
    }
  /** The hub's epoch is newer than all that the agent holds. */
  | { type: 'EpochRestored'; epoch: number };

/** A unit whose generation at the agent is newer than any that the log knows of its pipeline. */
export type AheadUnit = {
  readonly pipeline: string;
  readonly stage: string;
  readonly epoch: number;
  readonly generation: number;
  /** The newest generation of the pipeline in the log; 0 for one that it does not know. */
  readonly known: number;
};

export type CertificateRecord = {
  readonly serial: string;
  readonly issuedAt: Instant;
  readonly expiresAt: Instant;
};

export type EnrolmentRefusal =
  | 'token_unknown'
  | 'token_used'
  | 'token_expired'
  | 'cluster_revoked'
  | 'cluster_not_found'
  | 'cluster_key_unknown'
  /** The name belongs to another Kubernetes cluster. */
  | 'cluster_uid_differs'
  | 'request_invalid';

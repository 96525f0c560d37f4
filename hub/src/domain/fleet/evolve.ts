import { unreachable } from '@fairlead/shared/result';
import type { CertificateRecord, ClusterEvent } from './events.ts';
import type { ClusterState, Enrolment, PresentCluster } from './state.ts';

const usedTokenHashesMax = 10;

export function evolveCluster(state: ClusterState, event: ClusterEvent): ClusterState {
  if (event.type === 'ClusterAdded') {
    const { id, name, project, labels } = event;
    return {
      status: 'present',
      id,
      name,
      project,
      labels,
      usedTokenHashes: [],
      revoked: false,
      refusalsInARow: 0,
    };
  }
  if (state.status !== 'present') return state;
  if (event.type === 'EnrolmentRefused') {
    return { ...state, refusalsInARow: state.refusalsInARow + 1 };
  }
  return evolvePresent({ ...state, refusalsInARow: 0 }, event);
}

type LaterEvent = Exclude<ClusterEvent, { type: 'ClusterAdded' | 'EnrolmentRefused' }>;

function evolvePresent(
  state: PresentCluster & { status: 'present' },
  event: LaterEvent,
): ClusterState {
  switch (event.type) {
    case 'ClusterLabelsChanged':
      return { ...state, labels: event.labels };
    case 'JoinTokenIssued':
      return { ...state, token: { hash: event.hash, expiresAt: event.expiresAt } };
    case 'ClusterEnrolled': {
      const { clusterKeyHash, clusterUid, natsPublicKey, agentVersion, claims, certificate } =
        event;
      const enrolment: Enrolment = {
        clusterKeyHash,
        clusterUid,
        natsPublicKey,
        agentVersion,
        claims,
        certificate,
      };
      if (event.means === 'cluster-key') return { ...state, enrolment };
      const { token, quarantinedInstanceIds: _, ...rest } = state;
      const used = token ? [...state.usedTokenHashes, token.hash] : state.usedTokenHashes;
      return { ...rest, enrolment, usedTokenHashes: used.slice(-usedTokenHashesMax) };
    }
    case 'CertificateRenewed':
      return state.enrolment === undefined
        ? state
        : { ...state, enrolment: renewed(state.enrolment, event) };
    case 'ClusterConnected': {
      const { instanceId, agentVersion, serial } = event;
      const enrolment = state.enrolment && used(state.enrolment, serial);
      return {
        ...state,
        ...(enrolment ? { enrolment: { ...enrolment, agentVersion } } : {}),
        connection: { status: 'connected', instanceId, agentVersion },
      };
    }
    case 'ClusterOffline':
      return { ...state, connection: { status: 'offline', lastSeenAt: event.lastSeenAt } };
    case 'ClusterQuarantined':
      return { ...state, quarantinedInstanceIds: event.instanceIds };
    case 'ClusterRevoked': {
      const { token: _, ...rest } = state;
      return { ...rest, revoked: true };
    }
    case 'EpochRegressed':
      return { ...state, aheadEpoch: event.epoch };
    case 'EpochRestored': {
      const { aheadEpoch: _, ...rest } = state;
      return rest;
    }
    case 'ClusterRemoved':
      return { status: 'removed', id: state.id };
    default:
      return unreachable(event);
  }
}

/** Whoever renews with the next certificate has received it, so it becomes the current one first. */
function renewed(
  enrolment: Enrolment,
  event: {
    natsPublicKey: string;
    certificate: CertificateRecord;
    agentVersion: string;
    renewedSerial?: string;
  },
): Enrolment {
  const { natsPublicKey, certificate, agentVersion, renewedSerial } = event;
  return {
    ...used(enrolment, renewedSerial),
    natsPublicKey,
    agentVersion,
    nextCertificate: certificate,
  };
}

function used(enrolment: Enrolment, serial: string | undefined): Enrolment {
  const { nextCertificate, ...rest } = enrolment;
  if (serial === undefined || nextCertificate?.serial !== serial) return enrolment;
  return { ...rest, certificate: nextCertificate };
}

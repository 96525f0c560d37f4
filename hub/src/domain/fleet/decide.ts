import { err, ok, type Result, unreachable } from '@fairlead/shared/result';
import type { ClusterCommand, ClusterRejection } from './commands.ts';
import type { ClusterEvent } from './events.ts';
import type { ClusterState, PresentCluster } from './state.ts';

type Decision = Result<ClusterEvent[], ClusterRejection>;

/** Refusals kept in a row; what a guesser sends beyond is refused all the same, but not recorded. */
const refusalsRecordedMax = 100;

const refuse = (code: ClusterRejection['code'], detail: string): Decision => err({ code, detail });

export function decideCluster(state: ClusterState, command: ClusterCommand): Decision {
  if (command.type === 'add-cluster') return addCluster(state, command);
  if (state.status !== 'present') {
    return refuse('cluster_not_found', 'No cluster has this name. Add it first.');
  }
  switch (command.type) {
    case 'issue-join-token':
      if (state.revoked) return refuseRevoked(state);
      return ok([
        { type: 'JoinTokenIssued', hash: command.tokenHash, expiresAt: command.tokenExpiresAt },
      ]);
    case 'change-labels':
      return sameLabels(state.labels, command.labels)
        ? ok([])
        : ok([{ type: 'ClusterLabelsChanged', labels: command.labels }]);
    case 'enrol':
      return enrol(state, command);
    case 'record-refused-enrolment':
      return state.refusalsInARow >= refusalsRecordedMax
        ? ok([])
        : ok([{ type: 'EnrolmentRefused', code: command.code, address: command.address }]);
    case 'renew':
      return renew(state, command);
    case 'record-connected':
      return recordConnected(state, command);
    case 'record-offline':
      return state.connection?.status === 'offline' || state.enrolment === undefined
        ? ok([])
        : ok([{ type: 'ClusterOffline', lastSeenAt: command.lastSeenAt }]);
    case 'quarantine':
      return state.quarantinedInstanceIds !== undefined || state.revoked
        ? ok([])
        : ok([{ type: 'ClusterQuarantined', instanceIds: command.instanceIds }]);
    case 'revoke':
      return state.revoked
        ? refuse('cluster_already_revoked', `${state.name} is revoked already.`)
        : ok([{ type: 'ClusterRevoked', reason: command.reason }]);
    case 'record-held':
      return recordHeld(state, command);
    case 'remove':
      return ok([{ type: 'ClusterRemoved', reason: command.reason }]);
    default:
      return unreachable(command);
  }
}

type Command<Type extends ClusterCommand['type']> = Extract<ClusterCommand, { type: Type }>;

function addCluster(state: ClusterState, command: Command<'add-cluster'>): Decision {
  if (state.status === 'present') {
    const remedy = state.revoked ? ' It is revoked: remove it first.' : '';
    return refuse('cluster_already_exists', `${command.name} is a cluster already.${remedy}`);
  }
  const { id, name, project, labels, tokenHash, tokenExpiresAt } = command;
  return ok([
    { type: 'ClusterAdded', id, name, project, labels },
    { type: 'JoinTokenIssued', hash: tokenHash, expiresAt: tokenExpiresAt },
  ]);
}

function enrol(state: PresentCluster, command: Command<'enrol'>): Decision {
  if (state.revoked) return refuseRevoked(state);
  const refusal =
    command.tokenHash === undefined
      ? clusterKeyRefusal(state, command)
      : tokenRefusal(state, command.tokenHash, command.at);
  if (refusal !== undefined) return err(refusal);
  const { clusterKeyHash, clusterUid, natsPublicKey, certificate, agentVersion, claims } = command;
  return ok([
    {
      type: 'ClusterEnrolled',
      id: state.id,
      clusterKeyHash,
      clusterUid,
      natsPublicKey,
      certificate,
      agentVersion,
      claims,
      means: command.tokenHash === undefined ? 'cluster-key' : 'join-token',
    },
  ]);
}

/**
 * A token that is good was issued after the last enrolment, because an enrolment by token ends the token: so a person
 * wants this name to be taken, also by another Kubernetes cluster or by another key.
 */
function tokenRefusal(
  state: PresentCluster,
  tokenHash: string,
  at: number,
): ClusterRejection | undefined {
  if (state.usedTokenHashes.includes(tokenHash)) {
    return { code: 'token_used', detail: 'The join token was used before. Issue a new one.' };
  }
  if (state.token?.hash !== tokenHash) {
    return {
      code: 'token_unknown',
      detail: `The join token is not the one that was last issued for ${state.name}.`,
    };
  }
  if (at >= state.token.expiresAt) {
    return { code: 'token_expired', detail: 'The join token has expired. Issue a new one.' };
  }
  return undefined;
}

function clusterKeyRefusal(
  state: PresentCluster,
  command: Command<'enrol'>,
): ClusterRejection | undefined {
  const { enrolment } = state;
  if (enrolment === undefined || enrolment.clusterKeyHash !== command.clusterKeyHash) {
    return {
      code: 'cluster_key_unknown',
      detail: `${state.name} is not enrolled with this cluster key. Issue a join token.`,
    };
  }
  if (enrolment.clusterUid !== command.clusterUid) {
    return {
      code: 'cluster_uid_differs',
      detail: `${state.name} is another Kubernetes cluster. Issue a join token to replace it.`,
    };
  }
  return quarantineRefusal(state);
}

const quarantineRefusal = (state: PresentCluster): ClusterRejection | undefined =>
  state.quarantinedInstanceIds === undefined
    ? undefined
    : {
        code: 'cluster_quarantined',
        detail:
          `${state.name} is quarantined: its identity was used by ` +
          `${state.quarantinedInstanceIds.join(' and ')} at once. Issue a join token for one.`,
      };

function renew(state: PresentCluster, command: Command<'renew'>): Decision {
  if (state.revoked) return refuseRevoked(state);
  const quarantined = quarantineRefusal(state);
  if (quarantined !== undefined) return err(quarantined);
  const { enrolment } = state;
  if (enrolment === undefined || enrolment.clusterKeyHash !== command.clusterKeyHash) {
    return refuse('cluster_key_unknown', `${state.name} is not enrolled with this cluster key.`);
  }
  const certificate = [enrolment.certificate, enrolment.nextCertificate].find(
    (candidate) => candidate?.serial === command.serial,
  );
  if (certificate === undefined || command.at >= certificate.expiresAt) {
    return refuse(
      'certificate_superseded',
      'A newer certificate is in use, or this one has expired. Enrol again by the cluster key.',
    );
  }
  const { natsPublicKey, agentVersion, serial } = command;
  return ok([
    {
      type: 'CertificateRenewed',
      natsPublicKey,
      certificate: command.certificate,
      agentVersion,
      renewedSerial: serial,
    },
  ]);
}

function recordConnected(state: PresentCluster, command: Command<'record-connected'>): Decision {
  if (state.revoked) return refuseRevoked(state);
  const quarantined = quarantineRefusal(state);
  if (quarantined !== undefined) return err(quarantined);
  const { instanceId, agentVersion, serial } = command;
  const { connection } = state;
  const firstUse = serial !== undefined && state.enrolment?.nextCertificate?.serial === serial;
  if (
    !firstUse &&
    connection?.status === 'connected' &&
    connection.instanceId === instanceId &&
    connection.agentVersion === agentVersion
  ) {
    return ok([]);
  }
  return ok([
    { type: 'ClusterConnected', instanceId, agentVersion, ...(serial ? { serial } : {}) },
  ]);
}

/** Units that one event names. */
const aheadUnitsMax = 20;

/**
 * It stays ahead until the hub's epoch is newer: generations that this log gives meanwhile may grow past the agent's and
 * would then look like new ones.
 */
function recordHeld(state: PresentCluster, command: Command<'record-held'>): Decision {
  const { ahead, heldTotal, hubEpoch } = command;
  // An agent that holds nothing was installed anew, and has nothing to go back from.
  const isOver = state.aheadEpoch !== undefined && (hubEpoch > state.aheadEpoch || heldTotal === 0);
  if (isOver) {
    return ok([{ type: 'EpochRestored', epoch: hubEpoch }]);
  }
  if (ahead.length === 0 || state.aheadEpoch !== undefined) return ok([]);
  return ok([
    {
      type: 'EpochRegressed',
      epoch: Math.max(...ahead.map(({ epoch }) => epoch)),
      units: ahead.slice(0, aheadUnitsMax),
      unitsTotal: ahead.length,
    },
  ]);
}

const refuseRevoked = (state: PresentCluster): Decision =>
  refuse('cluster_revoked', `${state.name} is revoked. Remove it and add it again.`);

function sameLabels(
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}

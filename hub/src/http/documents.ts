import { formatInstant, type Instant } from '@fairlead/shared/time';
import type { RecordedEvent } from '../decision-log/index.ts';
import type { ConfigurationState } from '../domain/configuration/index.ts';
import type {
  AdmissionView,
  ApprovalView,
  ClusterView,
  EntrySubject,
  PipelineView,
  ReleaseView,
  RepositoryView,
  RolloutView,
  StageView,
  StatusView,
  TargetView,
  TokenView,
} from '../read-model/index.ts';
import type {
  AdmissionDocument,
  ApprovalDocument,
  AuditEntryDocument,
  ClusterDocument,
  CommitStatusDocument,
  ConfigurationDocument,
  DifferenceDocument,
  PipelineDocument,
  ReleaseDocument,
  RepositoryDocument,
  RolloutDocument,
  StageDocument,
  TargetDocument,
  TokenDocument,
} from './schemas.ts';

// Rows of the read model as the API says them.

/** A field only where it has a value. */
const optional = <Key extends string, Value, Text>(
  key: Key,
  value: Value | null | undefined,
  text: (value: Value) => Text,
): { [Name in Key]?: Text } =>
  value === null || value === undefined ? {} : ({ [key]: text(value) } as { [Name in Key]?: Text });

const same = <Value>(value: Value): Value => value;

export function clusterDocument(row: ClusterView, seenAt?: Instant): ClusterDocument {
  const lastSeenAt = Math.max(row.lastSeenAt ?? 0, seenAt ?? 0);
  const { certificateSerial: serial, certificateExpiresAt } = row;
  return {
    id: row.id,
    name: row.name,
    project: row.project,
    labels: row.labels,
    claims: row.claims,
    status: row.status,
    statusSince: formatInstant(row.statusSince),
    ...(lastSeenAt > 0 ? { lastSeenAt: formatInstant(lastSeenAt) } : {}),
    ...optional('agentVersion', row.agentVersion, same),
    addedAt: formatInstant(row.addedAt),
    ...optional('enrolledAt', row.enrolledAt, formatInstant),
    ...(serial !== null && certificateExpiresAt !== null
      ? { certificate: { serial, expiresAt: formatInstant(certificateExpiresAt) } }
      : {}),
    ...optional('joinTokenExpiresAt', row.joinTokenExpiresAt, formatInstant),
    ...optional('epochRegressed', row.ahead, ({ units, unitsTotal, epoch, since }) => ({
      since: formatInstant(since),
      epoch,
      units: [...units],
      unitsTotal,
    })),
  };
}

export function repositoryDocument(row: RepositoryView, managedBy?: ManagedBy): RepositoryDocument {
  const { failureMessage, failureSince, definition } = row;
  return {
    ...definition,
    ...optional('head', row.head, same),
    ...optional('headSeenAt', row.headSeenAt, formatInstant),
    ...(failureMessage !== null && failureSince !== null
      ? { failure: { message: failureMessage, since: formatInstant(failureSince) } }
      : {}),
    ...optional('managedBy', managedBy, same),
  };
}

export type ManagedBy = PipelineDocument['managedBy'];

export const pipelineDocument = (row: PipelineView, managedBy?: ManagedBy): PipelineDocument => ({
  name: row.name,
  project: row.project,
  repository: row.repository,
  revision: row.revision,
  ...optional('managedBy', managedBy, same),
  definition: row.definition,
});

export const releaseDocument = (row: ReleaseView): ReleaseDocument => ({
  pipeline: row.pipeline,
  commit: row.commit,
  position: row.position,
  subject: row.subject,
  authorName: row.authorName,
  authorEmail: row.authorEmail,
  committedAt: formatInstant(row.committedAt),
  discoveredAt: formatInstant(row.discoveredAt),
  orphaned: row.orphaned,
  stages: row.stages.map(({ stage, state, at, current }) => ({
    stage,
    state,
    at: formatInstant(at),
    current,
  })),
});

export function stageDocument(row: StageView): StageDocument {
  const { heldReason, heldAutomatic, heldSince } = row;
  return {
    pipeline: row.pipeline,
    name: row.name,
    after: [...row.after],
    promote: row.promote,
    ...optional('currentRelease', row.currentRelease, same),
    ...optional('succeededRelease', row.succeededRelease, same),
    ...optional('succeededAt', row.succeededAt, formatInstant),
    ...optional('rollout', row.rollout, ({ id, release, state, startedAt }) => ({
      id,
      release,
      state,
      startedAt: formatInstant(startedAt),
    })),
    ...(heldReason !== null && heldSince !== null
      ? {
          held: {
            reason: heldReason,
            automatic: heldAutomatic ?? false,
            since: formatInstant(heldSince),
          },
        }
      : {}),
    health: row.health,
    healthMessage: row.healthMessage,
    ...optional('healthSince', row.healthSince, formatInstant),
    targets: row.targets,
    ...optional('ahead', row.ahead, ({ release, notIn }) => ({ release, notIn: [...notIn] })),
    ...optional('refNote', row.refNote, same),
    ...optional(
      'heldWithdrawal',
      row.heldWithdrawal,
      ({ targets, targetsTotal, cause, since }) => ({
        clusters: targets.map(({ clusterName }) => clusterName),
        targetsTotal,
        cause,
        since: formatInstant(since),
      }),
    ),
  };
}

export function targetDocument({ target, cluster, report, objects }: TargetView): TargetDocument {
  const { pipeline, stage, clusterId, generation, commit } = target;
  return {
    pipeline,
    stage,
    cluster: target.clusterName,
    clusterId,
    clusterStatus: cluster === undefined || cluster.removedAt !== null ? 'removed' : cluster.status,
    ...optional('clusterLastSeenAt', cluster?.lastSeenAt, formatInstant),
    disposition: target.disposition,
    generation,
    commit,
    path: target.path,
    cause: target.cause,
    assignedAt: formatInstant(target.assignedAt),
    ...(report === undefined
      ? {}
      : {
          report: {
            generation: report.generation,
            commit: report.commit,
            phase: report.phase,
            health: report.health as TargetHealth,
            message: report.message,
            terminal: report.terminal,
            receivedAt: formatInstant(report.receivedAt),
            objectsTotal: report.objectsTotal,
            objectsHealthy: report.objectsHealthy,
            objects: objects.map(({ group, kind, namespace, name, health, message }) => ({
              group,
              kind,
              namespace,
              name,
              health: health as TargetHealth,
              message,
            })),
            objectsTruncated: report.objectsTruncated,
            pruneHeldObjects: report.pruneHeldObjects,
            pruneHeld: [...report.pruneHeld],
            pruneHeldDigest: report.pruneHeldDigest,
            driftsTotal: report.driftsTotal,
            ignoredTotal: report.ignoredTotal,
            current: report.generation === generation && report.commit === commit,
          },
        }),
  };
}

type TargetHealth = NonNullable<TargetDocument['report']>['health'];

/** Values come as JSON; an empty one is no value. */
export const differenceDocument = (difference: {
  readonly path: string;
  readonly liveJson: string;
  readonly desiredJson: string;
}): DifferenceDocument => ({
  path: difference.path,
  ...(difference.liveJson === '' ? {} : { live: JSON.parse(difference.liveJson) }),
  ...(difference.desiredJson === '' ? {} : { desired: JSON.parse(difference.desiredJson) }),
});

export function rolloutDocument(row: RolloutView): RolloutDocument {
  const batches: string[][] = [];
  for (const { batch, clusterName } of row.targets) {
    batches[batch] ??= [];
    batches[batch].push(clusterName);
  }
  return {
    id: row.id,
    pipeline: row.pipeline,
    stage: row.stage,
    release: row.release,
    kind: row.kind,
    generation: row.generation,
    state: row.state,
    startedAt: formatInstant(row.startedAt),
    deadlineAt: formatInstant(row.deadlineAt),
    ...optional('endedAt', row.endedAt, formatInstant),
    ...optional('message', row.message, same),
    batches,
    batch: row.batch + 1,
    ...optional('paused', row.pausedAt, (since) => ({
      reason: row.pausedReason ?? '',
      since: formatInstant(since),
    })),
    ...optional('undoes', row.undoes, same),
    ...optional('rollbackDeclined', row.rollbackDeclined, same),
    targets: row.targets.map(({ clusterName, state, message, at, previous }) => ({
      cluster: clusterName,
      state,
      ...optional('message', message, same),
      ...optional('at', at, formatInstant),
      ...optional('previous', previous, same),
    })),
  };
}

export const admissionDocument = (row: AdmissionView): AdmissionDocument => ({
  position: row.position,
  pipeline: row.pipeline,
  stage: row.stage,
  release: row.release,
  rolloutId: row.rolloutId,
  definitionRevision: row.definitionRevision,
  at: formatInstant(row.at),
  actor: { kind: row.actorKind, name: row.actorName },
  gates: row.gates.map(gateDocument),
});

export const gateDocument = (
  gate: AdmissionView['gates'][number],
): AdmissionDocument['gates'][number] => ({
  gate: gate.gate,
  passed: gate.passed,
  detail: gate.detail,
  ...optional('clearsAt', gate.clearsAt, formatInstant),
  ...optional('bypassed', gate.bypassed, same),
  evidence: gate.evidence,
});

export const approvalDocument = (row: ApprovalView): ApprovalDocument => ({
  id: row.id,
  pipeline: row.pipeline,
  stage: row.stage,
  release: row.release,
  state: row.state,
  definitionRevision: row.definitionRevision,
  ...optional('requestedBy', row.requestedBy, same),
  requestedAt: formatInstant(row.requestedAt),
  ...optional('expiresAt', row.expiresAt, formatInstant),
  ...optional('endedAt', row.endedAt, formatInstant),
  ...optional('message', row.message, same),
  required: row.required,
  from: [...row.from],
  including: [...row.including],
  votes: row.votes.map(({ subject, comment, at }) => ({ subject, comment, at: formatInstant(at) })),
});

export const commitStatusDocument = (row: StatusView): CommitStatusDocument => ({
  repository: row.repository,
  commit: row.commit,
  name: row.name,
  state: row.state,
  description: row.description,
  ...optional('url', row.url, same),
  at: formatInstant(row.at),
  early: row.early,
});

export const tokenDocument = (row: TokenView): TokenDocument => ({
  id: row.id,
  name: row.name,
  role: row.role,
  ...optional('subject', row.subject, same),
  groups: [...(row.groups ?? [])],
  emails: [...(row.emails ?? [])],
  permissions: [...(row.permissions ?? [])],
  issuedAt: formatInstant(row.issuedAt),
  ...optional('revokedAt', row.revokedAt, formatInstant),
});

export const auditDocument = (entry: RecordedEvent, subject: EntrySubject): AuditEntryDocument => ({
  position: entry.position,
  at: formatInstant(entry.recordedAt),
  stream: entry.stream,
  type: entry.event.type,
  actor: entry.actor,
  ...optional('pipeline', subject.pipeline, same),
  ...optional('stage', subject.stage, same),
  ...optional('cluster', subject.cluster, same),
  ...optional('commit', subject.commit, same),
  hash: entry.hash,
  event: entry.event,
});

export const configurationDocument = ({
  applied,
  refused,
  failure,
  absent,
  overridden,
}: ConfigurationState): ConfigurationDocument => ({
  ...optional('applied', applied, ({ commit, resources }) => ({
    commit,
    resources: resources.length,
  })),
  ...optional('refused', refused, ({ commit, faults, faultsTotal }) => ({
    commit,
    faults: [...faults],
    faultsTotal,
  })),
  ...optional('failure', failure, same),
  absent: [...absent],
  overridden: [...overridden],
});

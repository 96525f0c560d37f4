import type { ClusterId } from '@fairlead/shared/ids';
import { index, integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import type { AheadUnit } from '../domain/fleet/index.ts';
import type { Permission } from '../domain/hub/index.ts';
import type {
  MetricRule,
  PipelineDefinition,
  RepositoryDefinition,
} from '../domain/pipeline/definition.ts';
import {
  type GateResult,
  type RolloutTarget,
  rolloutKinds,
  type WithdrawalCause,
} from '../domain/promotion/events.ts';
import type { TargetReport } from '../domain/promotion/index.ts';
import type { RunOutcome } from '../domain/promotion/verification/events.ts';
import type { Assignment, VerificationOrder } from '../domain/rollout/index.ts';
import type { DriftOfObject } from './reports.ts';

// The shape that the migrations make. Times are hub milliseconds. Tables of the log come first: a fold of the log fills
// them, and nothing else writes them, so they can be emptied and filled again at any time.

const flag = (name: string) => integer(name, { mode: 'boolean' });
const json = <Value>(name: string) => text(name, { mode: 'json' }).$type<Value>();

export type ObjectName = {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
};
export type StageWithdrawal = {
  readonly targets: readonly RolloutTarget[];
  readonly targetsTotal: number;
  readonly cause: WithdrawalCause;
  readonly since: number;
};
export type AheadUnits = {
  readonly units: readonly AheadUnit[];
  readonly unitsTotal: number;
  readonly epoch: number;
  readonly since: number;
};

export const clusterStatuses = [
  'pending',
  'enrolled',
  'connected',
  'offline',
  'quarantined',
  'revoked',
] as const;

/** A removed cluster's row stays, because assignments and audit entries name it. */
export const clusterTable = sqliteTable(
  'clusters',
  {
    id: text('id').$type<ClusterId>().primaryKey(),
    name: text('name').notNull(),
    project: text('project').notNull(),
    labels: json<Readonly<Record<string, string>>>('labels').notNull(),
    claims: json<Readonly<Record<string, string>>>('claims').notNull(),
    status: text('status', { enum: clusterStatuses }).notNull(),
    statusSince: integer('status_since').notNull(),
    connection: text('connection', { enum: ['none', 'connected', 'offline'] }).notNull(),
    quarantined: flag('quarantined').notNull(),
    revoked: flag('revoked').notNull(),
    lastSeenAt: integer('last_seen_at'),
    agentVersion: text('agent_version'),
    addedAt: integer('added_at').notNull(),
    enrolledAt: integer('enrolled_at'),
    natsPublicKey: text('nats_public_key'),
    certificateSerial: text('certificate_serial'),
    certificateExpiresAt: integer('certificate_expires_at'),
    joinTokenExpiresAt: integer('join_token_expires_at'),
    removedAt: integer('removed_at'),
    /** What its agent holds of a newer log than this one; null where the log knows all of it. */
    ahead: json<AheadUnits>('ahead'),
  },
  (table) => [index('clusters_name').on(table.name, table.removedAt)],
);

export const repositoryTable = sqliteTable('repositories', {
  name: text('name').primaryKey(),
  definition: json<RepositoryDefinition>('definition').notNull(),
  head: text('head'),
  headSeenAt: integer('head_seen_at'),
  failureMessage: text('failure_message'),
  failureSince: integer('failure_since'),
});

export const pipelineTable = sqliteTable('pipelines', {
  name: text('name').primaryKey(),
  project: text('project').notNull(),
  repository: text('repository').notNull(),
  revision: integer('revision').notNull(),
  definition: json<PipelineDefinition>('definition').notNull(),
  removed: flag('removed').notNull(),
});

/** Every revision, because an assignment names the one that it was made with. */
export const pipelineRevisionTable = sqliteTable(
  'pipeline_revisions',
  {
    pipeline: text('pipeline').notNull(),
    revision: integer('revision').notNull(),
    definition: json<PipelineDefinition>('definition').notNull(),
  },
  (table) => [primaryKey({ columns: [table.pipeline, table.revision] })],
);

export const releaseTable = sqliteTable(
  'releases',
  {
    pipeline: text('pipeline').notNull(),
    commit: text('commit').notNull(),
    position: integer('position').notNull(),
    subject: text('subject').notNull(),
    authorName: text('author_name').notNull(),
    authorEmail: text('author_email').notNull(),
    committedAt: integer('committed_at').notNull(),
    discoveredAt: integer('discovered_at').notNull(),
    orphaned: flag('orphaned').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.pipeline, table.commit] }),
    index('releases_position').on(table.pipeline, table.position, table.commit),
  ],
);

export const releaseStageStates = [
  'requested',
  'rolling-out',
  'succeeded',
  'failed',
  'aborted',
  'superseded',
] as const;

export const releaseStageTable = sqliteTable(
  'release_stages',
  {
    pipeline: text('pipeline').notNull(),
    commit: text('commit').notNull(),
    stage: text('stage').notNull(),
    state: text('state', { enum: releaseStageStates }).notNull(),
    at: integer('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.pipeline, table.commit, table.stage] })],
);

/** `defined` is off for a stage that left the definition: its row stays for its rollouts and targets. */
export const stageTable = sqliteTable(
  'stages',
  {
    pipeline: text('pipeline').notNull(),
    name: text('name').notNull(),
    ordinal: integer('ordinal').notNull(),
    defined: flag('defined').notNull(),
    after: json<readonly string[]>('after').notNull(),
    promote: text('promote', { enum: ['automatic', 'manual'] }).notNull(),
    currentRelease: text('current_release'),
    succeededRelease: text('succeeded_release'),
    succeededAt: integer('succeeded_at'),
    rolloutId: text('rollout_id'),
    heldReason: text('held_reason'),
    heldAutomatic: flag('held_automatic'),
    heldSince: integer('held_since'),
    health: text('health', { enum: ['healthy', 'unhealthy', 'unknown'] }).notNull(),
    healthMessage: text('health_message').notNull(),
    healthSince: integer('health_since'),
    heldWithdrawal: json<StageWithdrawal>('held_withdrawal'),
    /** Why the stage's branch in Git does not tell what it runs. */
    refNote: text('ref_note'),
  },
  (table) => [primaryKey({ columns: [table.pipeline, table.name] })],
);

export const rolloutTable = sqliteTable(
  'rollouts',
  {
    id: text('id').primaryKey(),
    /** Of the log entry that started it: the order of rollouts. */
    position: integer('position').notNull(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    release: text('release').notNull(),
    kind: text('kind', { enum: rolloutKinds }).notNull(),
    generation: integer('generation').notNull(),
    state: text('state', { enum: ['running', 'succeeded', 'failed', 'aborted'] }).notNull(),
    startedAt: integer('started_at').notNull(),
    deadlineAt: integer('deadline_at').notNull(),
    endedAt: integer('ended_at'),
    message: text('message'),
    /** The batch that runs, from 0. */
    batch: integer('batch').notNull(),
    pausedReason: text('paused_reason'),
    pausedAt: integer('paused_at'),
    /** The rollout whose targets it returns to what they ran before. */
    undoes: text('undoes'),
    /** Why its failure led to no automatic rollback. */
    rollbackDeclined: text('rollback_declined'),
  },
  (table) => [
    index('rollouts_position').on(table.position),
    index('rollouts_stage').on(table.pipeline, table.stage, table.position),
  ],
);

export const rolloutTargetStates = [
  'waiting',
  'assigned',
  'succeeded',
  'failed',
  'skipped',
] as const;

export const rolloutTargetTable = sqliteTable(
  'rollout_targets',
  {
    rolloutId: text('rollout_id').notNull(),
    clusterId: text('cluster_id').notNull(),
    clusterName: text('cluster_name').notNull(),
    batch: integer('batch').notNull(),
    ordinal: integer('ordinal').notNull(),
    state: text('state', { enum: rolloutTargetStates }).notNull(),
    message: text('message'),
    at: integer('at'),
    /** What it ran before. */
    previous: text('previous'),
  },
  (table) => [primaryKey({ columns: [table.rolloutId, table.clusterId] })],
);

export const admissionTable = sqliteTable(
  'admissions',
  {
    position: integer('position').primaryKey(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    release: text('release').notNull(),
    rolloutId: text('rollout_id').notNull(),
    definitionRevision: integer('definition_revision').notNull(),
    at: integer('at').notNull(),
    actorKind: text('actor_kind', { enum: ['person', 'agent', 'hub'] }).notNull(),
    actorName: text('actor_name').notNull(),
    gates: json<readonly GateResult[]>('gates').notNull(),
  },
  (table) => [index('admissions_stage').on(table.pipeline, table.stage, table.position)],
);

/** One row a target, the newest generation; a withdrawn one stays with its disposition. */
export const targetTable = sqliteTable(
  'targets',
  {
    clusterId: text('cluster_id').$type<ClusterId>().notNull(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    clusterName: text('cluster_name').notNull(),
    disposition: text('disposition', { enum: ['run', 'orphan', 'delete'] }).notNull(),
    generation: integer('generation').notNull(),
    commit: text('commit').notNull(),
    path: text('path').notNull(),
    cause: text('cause').notNull(),
    assignedAt: integer('assigned_at').notNull(),
    assignment: json<Assignment>('assignment').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.clusterId, table.pipeline, table.stage] }),
    index('targets_stage').on(table.pipeline, table.stage, table.clusterName, table.clusterId),
    index('targets_cluster').on(table.clusterName, table.pipeline, table.stage, table.clusterId),
  ],
);

/** Where to find an entry of the log by what it is about; the entry itself is read from the log. */
export const auditTable = sqliteTable(
  'audit_index',
  {
    position: integer('position').primaryKey(),
    stream: text('stream').notNull(),
    type: text('type').notNull(),
    pipeline: text('pipeline'),
    stage: text('stage'),
    cluster: text('cluster'),
    commit: text('commit'),
  },
  (table) => [
    index('audit_type').on(table.type, table.position),
    index('audit_stage').on(table.pipeline, table.stage, table.position),
    index('audit_cluster').on(table.cluster, table.position),
  ],
);

export const tokenTable = sqliteTable(
  'tokens',
  {
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    hash: text('hash').notNull(),
    role: text('role', { enum: ['admin', 'viewer'] }).notNull(),
    issuedAt: integer('issued_at').notNull(),
    revokedAt: integer('revoked_at'),
    subject: text('subject'),
    groups: json<readonly string[]>('person_groups'),
    emails: json<readonly string[]>('emails'),
    permissions: json<readonly Permission[]>('permissions'),
  },
  (table) => [index('tokens_hash').on(table.hash)],
);

export const approvalStates = ['open', 'rejected', 'expired', 'voided', 'used'] as const;
export type ApprovalVote = {
  readonly subject: string;
  readonly comment: string;
  readonly at: number;
};

/** One row a request; the votes of an open one are those that were given and not withdrawn. */
export const approvalTable = sqliteTable(
  'approvals',
  {
    id: text('id').primaryKey(),
    /** Of the entry that opened it. */
    position: integer('position').notNull(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    release: text('release').notNull(),
    state: text('state', { enum: approvalStates }).notNull(),
    definitionRevision: integer('definition_revision').notNull(),
    requestedBy: text('requested_by'),
    requestedAt: integer('requested_at').notNull(),
    expiresAt: integer('expires_at'),
    endedAt: integer('ended_at'),
    message: text('message'),
    required: integer('required').notNull(),
    /** Who may vote, and of whom one must be among the voters. */
    from: json<readonly string[]>('voters').notNull(),
    including: json<readonly string[]>('including').notNull(),
    votes: json<readonly ApprovalVote[]>('votes').notNull(),
  },
  (table) => [
    index('approvals_state').on(table.state, table.position),
    index('approvals_release').on(table.pipeline, table.stage, table.release),
  ],
);

/** The newest word of each source about a commit. `early`: it was no release of the repository when it was said. */
export const statusTable = sqliteTable(
  'statuses',
  {
    repository: text('repository').notNull(),
    commit: text('commit').notNull(),
    name: text('name').notNull(),
    state: text('state', { enum: ['pending', 'success', 'failure'] }).notNull(),
    description: text('description').notNull(),
    url: text('url'),
    at: integer('at').notNull(),
    position: integer('position').notNull(),
    early: flag('early').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.repository, table.commit, table.name] }),
    index('statuses_early').on(table.repository, table.early, table.position),
  ],
);

/** One row: the last folded entry of the log, by its hash too, so that another log is noticed. */
export const checkpointTable = sqliteTable('log_checkpoint', {
  id: integer('id').primaryKey(),
  position: integer('position').notNull(),
  hash: text('hash').notNull(),
  projectionVersion: integer('projection_version').notNull(),
});

// From the stream of reports.

export const reportTable = sqliteTable(
  'reports',
  {
    clusterId: text('cluster_id').$type<ClusterId>().notNull(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    agentEpoch: text('agent_epoch').notNull(),
    epochOrdinal: integer('epoch_ordinal').notNull(),
    sequence: integer('sequence').notNull(),
    generation: integer('generation').notNull(),
    commit: text('commit').notNull(),
    phase: text('phase').$type<TargetReport['phase']>().notNull(),
    health: text('health').$type<TargetReport['health']>().notNull(),
    message: text('message').notNull(),
    terminal: flag('terminal').notNull(),
    receivedAt: integer('received_at').notNull(),
    objectsTotal: integer('objects_total').notNull(),
    objectsHealthy: integer('objects_healthy').notNull(),
    objectsTruncated: integer('objects_truncated').notNull(),
    pruneHeldObjects: integer('prune_held_objects').notNull(),
    /** The first of them. */
    pruneHeld: json<readonly ObjectName[]>('prune_held').notNull(),
    pruneHeldDigest: text('prune_held_digest').notNull(),
    driftsTotal: integer('drifts_total').notNull(),
    ignoredTotal: integer('ignored_total').notNull(),
    /** Receive time and sequence of the first report of the generation's last healthy time; null while it is not. */
    healthySince: integer('healthy_since'),
    healthySinceSequence: integer('healthy_since_sequence'),
    /** How often the generation has stopped being healthy. */
    healthBreaks: integer('health_breaks').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.clusterId, table.pipeline, table.stage] }),
    index('reports_pipeline').on(table.pipeline, table.stage, table.clusterId),
  ],
);

export const reportObjectTable = sqliteTable(
  'report_objects',
  {
    clusterId: text('cluster_id').notNull(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    ordinal: integer('ordinal').notNull(),
    group: text('group_name').notNull(),
    kind: text('kind').notNull(),
    namespace: text('namespace').notNull(),
    name: text('name').notNull(),
    health: text('health').notNull(),
    message: text('message').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.clusterId, table.pipeline, table.stage, table.ordinal] }),
  ],
);

/** Objects of the newest report of a target that are not as their commit wants them and are not repaired at once. */
export const reportDriftTable = sqliteTable(
  'report_drifts',
  {
    clusterId: text('cluster_id').notNull(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    ordinal: integer('ordinal').notNull(),
    group: text('group_name').notNull(),
    kind: text('kind').notNull(),
    namespace: text('namespace').notNull(),
    name: text('name').notNull(),
    state: text('state', { enum: ['reported', 'fight'] }).notNull(),
    change: text('change', { enum: ['changed', 'deleted', 'released'] }).notNull(),
    managers: json<readonly string[]>('managers').notNull(),
    differences: json<DriftOfObject['differences']>('differences').notNull(),
    differencesTotal: integer('differences_total').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.clusterId, table.pipeline, table.stage, table.ordinal] }),
  ],
);

/** The order in which a cluster's agent epochs were first seen: it ranks reports of different epochs. */
export const agentEpochTable = sqliteTable(
  'agent_epochs',
  {
    clusterId: text('cluster_id').notNull(),
    agentEpoch: text('agent_epoch').notNull(),
    ordinal: integer('ordinal').notNull(),
  },
  (table) => [primaryKey({ columns: [table.clusterId, table.agentEpoch] })],
);

export const reportCheckpointTable = sqliteTable('report_checkpoint', {
  id: integer('id').primaryKey(),
  streamSequence: integer('stream_sequence').notNull(),
});

/** Runs of verifications and analyses of metrics, as the log tells of them. */
export const verificationRunTable = sqliteTable(
  'verification_runs',
  {
    runId: text('run_id').primaryKey(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    commit: text('commit_id').notNull(),
    name: text('name').notNull(),
    inStage: text('in_stage').notNull(),
    clusterId: text('cluster_id').$type<ClusterId>().notNull(),
    clusterName: text('cluster_name').notNull(),
    askedBy: text('asked_by'),
    startedAt: integer('started_at').notNull(),
    deadlineAt: integer('deadline_at').notNull(),
    endedAt: integer('ended_at'),
    outcome: text('outcome').$type<RunOutcome>(),
    message: text('message'),
    revokes: flag('revokes').notNull(),
    order: json<VerificationOrder>('run_order').notNull(),
  },
  (table) => [
    index('verification_runs_open').on(table.clusterId, table.endedAt),
    index('verification_runs_pipeline').on(table.pipeline, table.startedAt),
  ],
);

export const metricAnalysisTable = sqliteTable(
  'metric_analyses',
  {
    runId: text('run_id').primaryKey(),
    pipeline: text('pipeline').notNull(),
    stage: text('stage').notNull(),
    commit: text('commit_id').notNull(),
    name: text('name').notNull(),
    startedAt: integer('started_at').notNull(),
    endedAt: integer('ended_at'),
    rule: json<MetricRule>('rule').notNull(),
  },
  (table) => [index('metric_analyses_open').on(table.endedAt)],
);

/** What agents said of runs; the first word of the cluster that was to run it. */
export const verificationResultTable = sqliteTable('verification_results', {
  runId: text('run_id').primaryKey(),
  clusterId: text('cluster_id').$type<ClusterId>().notNull(),
  outcome: text('outcome').$type<RunOutcome>().notNull(),
  message: text('message').notNull(),
  logTail: text('log_tail').notNull(),
  logTruncated: flag('log_truncated').notNull(),
  receivedAt: integer('received_at').notNull(),
});

/** What the hub itself measured; no log and no stream has it, so a fold anew leaves it. */
export const metricSampleTable = sqliteTable(
  'metric_samples',
  {
    runId: text('run_id').notNull(),
    ordinal: integer('ordinal').notNull(),
    at: integer('at').notNull(),
    value: real('value'),
    message: text('message').notNull(),
  },
  (table) => [primaryKey({ columns: [table.runId, table.ordinal] })],
);

/** What a fold of the log fills. The checkpoint is not among them: it names how far they are filled. */
export const logTables = [
  clusterTable,
  repositoryTable,
  pipelineTable,
  pipelineRevisionTable,
  releaseTable,
  releaseStageTable,
  stageTable,
  rolloutTable,
  rolloutTargetTable,
  admissionTable,
  targetTable,
  verificationRunTable,
  metricAnalysisTable,
  auditTable,
  tokenTable,
  approvalTable,
  statusTable,
] as const;

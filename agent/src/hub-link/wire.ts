import {
  AdoptPolicy,
  AuditBatch,
  type AuditEvent,
  Beat,
  ConflictPolicy,
  Disposition,
  DriftPolicy,
  Health,
  Phase,
  Report,
  VerificationMode,
  type Assignment as WireAssignment,
} from '@fairlead/proto';
import {
  type PipelineName,
  type ProjectName,
  parseCommitId,
  parseName,
  type RepositoryName,
  type StageName,
} from '@fairlead/shared/ids';
import { compareObjectKeys } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import { healthRank } from '../domain/health/index.ts';
import { type Assignment, deletionBudgetDefault, type UnitReport } from '../domain/link/index.ts';
import { type AuditRecord, clipText, type ReportRecord } from '../journal/index.ts';
import {
  busEnvelopeBytesMax,
  busMessageBytesMax,
  reportMessageBytesMax,
  reportObjectMessageBytesMax,
  reportObjectsMax,
} from '../limits.ts';
import { driftsMessage } from './wire-drift.ts';

const dispositions: Readonly<Record<number, Assignment['disposition']>> = {
  [Disposition.DISPOSITION_RUN]: 'run',
  [Disposition.DISPOSITION_ORPHAN]: 'orphan',
  [Disposition.DISPOSITION_DELETE]: 'delete',
};
const adoptions: Readonly<Record<number, Assignment['apply']['adopt']>> = {
  [AdoptPolicy.ADOPT_POLICY_IF_UNOWNED]: 'if-unowned',
  [AdoptPolicy.ADOPT_POLICY_IF_EQUAL]: 'if-equal',
  [AdoptPolicy.ADOPT_POLICY_ALWAYS]: 'always',
};
const conflictPolicies: Readonly<Record<number, Assignment['apply']['conflicts']>> = {
  [ConflictPolicy.CONFLICT_POLICY_FAIL]: 'fail',
  [ConflictPolicy.CONFLICT_POLICY_TAKE]: 'take',
  [ConflictPolicy.CONFLICT_POLICY_LEAVE]: 'leave',
};
const verificationModes: Readonly<Record<number, Assignment['verification']['mode']>> = {
  [VerificationMode.VERIFICATION_MODE_UNSPECIFIED]: 'none',
  [VerificationMode.VERIFICATION_MODE_NONE]: 'none',
  [VerificationMode.VERIFICATION_MODE_WARN]: 'warn',
  [VerificationMode.VERIFICATION_MODE_REQUIRED]: 'required',
};

/** An assignment with anything unexpected in it is refused whole: guessing here could remove workloads. */
export function assignmentOf(wire: WireAssignment): Result<Assignment, string> {
  const pipeline = parseName<PipelineName>(wire.pipeline);
  if (!pipeline.ok) return err(`pipeline ${pipeline.error}`);
  const stage = parseName<StageName>(wire.stage);
  if (!stage.ok) return err(`stage ${stage.error}`);
  const project = parseName<ProjectName>(wire.project);
  if (!project.ok) return err(`project ${project.error}`);
  const repository = parseName<RepositoryName>(wire.repository);
  if (!repository.ok) return err(`repository ${repository.error}`);
  const commit = parseCommitId(wire.commit);
  if (!commit.ok) return err(`commit ${commit.error}`);
  const disposition = dispositions[wire.disposition];
  if (disposition === undefined) return err(`disposition ${wire.disposition} is unknown`);
  if (wire.generation < 1) return err('generation must be at least 1');
  const { path, root } = wire;
  if (!isFolder(path) || !isFolder(root)) return err('path and root must be folders of the tree');
  if (root !== '' && path !== root && !path.startsWith(`${root}/`)) {
    return err('path must be at or below root');
  }
  const helmValues = parseValues(wire.render?.helmValuesJson ?? '');
  if (!helmValues.ok) return helmValues;
  const { apply, render } = wire;
  const mode = verificationModes[wire.verification?.mode ?? 0];
  if (mode === undefined) return err(`verification mode ${wire.verification?.mode} is unknown`);
  return ok({
    pipeline: pipeline.value,
    stage: stage.value,
    project: project.value,
    epoch: wire.epoch,
    generation: wire.generation,
    disposition,
    repository: repository.value,
    commit: commit.value,
    path,
    root,
    render: {
      helmReleaseName: render?.helmReleaseName ?? '',
      helmValuesFiles: render?.helmValuesFiles ?? [],
      helmValues: helmValues.value,
      substitution: render?.substitution && { ...render.substitution.values },
      sopsSecret: render?.sopsSecret ?? '',
    },
    apply: {
      namespace: apply?.namespace ?? '',
      createNamespace: apply?.createNamespace ?? false,
      prune: apply?.prune ?? false,
      drift: apply?.drift === DriftPolicy.DRIFT_POLICY_REPORT ? 'report' : 'repair',
      adopt: adoptions[apply?.adopt ?? 0] ?? 'if-unowned',
      deletionBudget: apply?.deletionBudget ?? deletionBudgetDefault,
      confirmedPruneGeneration: apply?.confirmedPruneGeneration ?? 0,
      confirmedPruneDigest: apply?.confirmedPruneDigest ?? '',
      serviceAccount: apply?.serviceAccount ?? '',
      conflicts: conflictPolicies[apply?.conflicts ?? 0] ?? 'fail',
      dependsOn: apply?.dependsOn ?? [],
      ignoreDifferences: apply?.ignoreDifferences ?? [],
      healthChecks: apply?.healthChecks ?? [],
    },
    clusterName: wire.clusterName,
    clusterLabels: { ...wire.clusterLabels },
    verification: { mode, keysName: wire.verification?.keysName ?? '' },
  });
}

const isFolder = (path: string): boolean =>
  path === '' || path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

function parseValues(text: string): Result<Record<string, unknown>, string> {
  if (text === '') return ok({});
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return ok(value as Record<string, unknown>);
    }
  } catch {
    // The text may hold secrets, so it is not repeated.
  }
  return err('Helm values must be a JSON object');
}

const phases: Readonly<Record<UnitReport['phase'], Phase>> = {
  accepted: Phase.PHASE_ACCEPTED,
  fetching: Phase.PHASE_FETCHING,
  rendering: Phase.PHASE_RENDERING,
  applying: Phase.PHASE_APPLYING,
  waiting: Phase.PHASE_WAITING,
  pruning: Phase.PHASE_PRUNING,
  'prune-held': Phase.PHASE_PRUNE_HELD,
  settled: Phase.PHASE_SETTLED,
  failed: Phase.PHASE_FAILED,
  orphaned: Phase.PHASE_ORPHANED,
  deleted: Phase.PHASE_DELETED,
};
const healths: Readonly<Record<UnitReport['health'], Health>> = {
  Healthy: Health.HEALTH_HEALTHY,
  Progressing: Health.HEALTH_PROGRESSING,
  Degraded: Health.HEALTH_DEGRADED,
  Suspended: Health.HEALTH_SUSPENDED,
  Missing: Health.HEALTH_MISSING,
  Unknown: Health.HEALTH_UNKNOWN,
};

const payloadBytesMax = busMessageBytesMax - busEnvelopeBytesMax;

/**
 * The payload of a report, within the size of a bus message. Objects are in a stable order, worst first and then by key,
 * and the last ones go when there are too many or they are too large; `objects_truncated` counts them.
 */
export function encodeReport(record: ReportRecord, agentEpoch: string): Uint8Array {
  const { report } = record;
  const [pipeline = '', stage = ''] = report.unit.split('/');
  const sorted = [...report.objects].sort(
    (left, right) =>
      healthRank(left.health) - healthRank(right.health) ||
      compareObjectKeys(left.object, right.object),
  );
  // A report that an older agent left in the journal has none of these.
  const { drifts = [], pruneHeld = [], pruneHeldDigest = '' }: Partial<UnitReport> = report;
  // Drift goes by the same measure as the objects: half of both, until the rest fits.
  for (let halvings = 0; ; halvings++) {
    const kept = Math.floor(Math.min(sorted.length, reportObjectsMax) / 2 ** halvings);
    const driftsKept = Math.floor(drifts.length / 2 ** halvings);
    const payload = Report.encode({
      agentEpoch,
      sequence: record.sequence,
      pipeline,
      stage,
      epoch: report.epoch,
      generation: report.generation,
      commit: report.commit,
      phase: phases[report.phase],
      health: healths[report.health],
      message: clipText(report.message, reportMessageBytesMax),
      terminal: report.terminal,
      objectsTotal: report.objectsTotal,
      objectsHealthy: report.objectsHealthy,
      objects: sorted.slice(0, kept).map(({ object, health, message }) => ({
        object,
        health: healths[health],
        message: clipText(message, reportObjectMessageBytesMax),
      })),
      objectsTruncated: report.objectsTruncated + sorted.length - kept,
      observedAtMs: record.observedAtMs,
      pruneHeldObjects: report.pruneHeldObjects,
      pruneHeld: [...pruneHeld],
      pruneHeldDigest,
      drifts: driftsMessage(report, driftsKept),
    }).finish();
    if (payload.length <= payloadBytesMax || kept + driftsKept === 0) return payload;
  }
}

export type EncodedAudit = {
  readonly payload: Uint8Array;
  readonly firstSequence: number;
  readonly lastSequence: number;
};

/** As many of the events, from the first on, as fit into one bus message. */
export function encodeAudit(records: readonly AuditRecord[], agentEpoch: string): EncodedAudit {
  for (let kept = records.length; ; kept = Math.ceil(kept / 2)) {
    const events = records.slice(0, kept).map(auditEvent);
    const payload = AuditBatch.encode({ agentEpoch, events }).finish();
    if (payload.length > payloadBytesMax && kept > 1) continue;
    const firstSequence = events[0]?.sequence ?? 0;
    return { payload, firstSequence, lastSequence: firstSequence + kept - 1 };
  }
}

function auditEvent(record: AuditRecord): AuditEvent {
  const [pipeline = '', stage = ''] = record.unit.split('/');
  return {
    sequence: record.sequence,
    occurredAtMs: record.occurredAtMs,
    pipeline,
    stage,
    generation: record.generation,
    commit: record.commit,
    kind: record.kind,
    message: record.message,
    object: record.object,
    detailsJson: record.details === '{}' ? '' : record.details,
  };
}

export const encodeBeat = (beat: Beat): Uint8Array => Beat.encode(beat).finish();

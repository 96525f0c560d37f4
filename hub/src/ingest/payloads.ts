import {
  AuditBatch,
  Beat,
  Health,
  Phase,
  Report,
  VerificationOutcome,
  type VerificationResult as WireResult,
} from '@fairlead/proto';
import {
  type ClusterId,
  type PipelineName,
  parseClusterId,
  parseCommitId,
  parseName,
  parseNewId,
  type StageName,
} from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';
import type { AgentAuditEvent } from '../domain/events.ts';
import type { TargetReport, VerificationResult } from '../domain/promotion/index.ts';
import {
  agentTextCharactersMax,
  auditDetailsBytesMax,
  busPayloadBytesMax,
  digestCharactersMax,
  reportHeldObjectsMax,
  reportObjectsMax,
  verificationLogCharactersMax,
} from '../limits.ts';
import { driftsOf, type ReceivedDrift } from './drifts.ts';

export type { ReceivedDrift } from './drifts.ts';

/** An agent's message cannot be used; the text names what is wrong with it. */
export class PayloadInvalidError extends Error {
  override readonly name = 'PayloadInvalidError';
}

export type ReceivedReport = TargetReport & {
  readonly pipeline: PipelineName;
  readonly epoch: number;
  readonly objectsHealthy: number;
  readonly objects: readonly {
    readonly object: { group: string; kind: string; namespace: string; name: string };
    readonly health: TargetReport['health'];
    readonly message: string;
  }[];
  readonly objectsTruncated: number;
  readonly pruneHeld: readonly { group: string; kind: string; namespace: string; name: string }[];
  readonly drifts: readonly ReceivedDrift[];
  readonly driftsTotal: number;
  readonly ignoredTotal: number;
  /** Agent's clock, shown and never compared. */
  readonly observedAt: Instant;
};

/** How a verification run ended, by the agent's word. */
export type ReceivedResult = Omit<VerificationResult, 'runId'> & {
  readonly runId: string;
  readonly logTail: string;
  readonly logTruncated: boolean;
};

export type ReceivedAuditEvent = Omit<
  Extract<AgentAuditEvent, { type: 'AgentAudited' }>,
  'type' | 'cluster' | 'agentEpoch'
>;

export type ReceivedBeat = {
  readonly instanceId: string;
  readonly agentVersion: string;
  readonly sentAt: Instant;
  readonly unitsTotal: number;
  readonly auditOutboxLength: number;
};

const phases: Readonly<Partial<Record<Phase, TargetReport['phase']>>> = {
  [Phase.PHASE_ACCEPTED]: 'accepted',
  [Phase.PHASE_FETCHING]: 'fetching',
  [Phase.PHASE_RENDERING]: 'rendering',
  [Phase.PHASE_APPLYING]: 'applying',
  [Phase.PHASE_WAITING]: 'waiting',
  [Phase.PHASE_PRUNING]: 'pruning',
  [Phase.PHASE_PRUNE_HELD]: 'prune-held',
  [Phase.PHASE_SETTLED]: 'settled',
  [Phase.PHASE_FAILED]: 'failed',
  [Phase.PHASE_ORPHANED]: 'orphaned',
  [Phase.PHASE_DELETED]: 'deleted',
};

const healths: Readonly<Partial<Record<Health, TargetReport['health']>>> = {
  [Health.HEALTH_HEALTHY]: 'healthy',
  [Health.HEALTH_PROGRESSING]: 'progressing',
  [Health.HEALTH_DEGRADED]: 'degraded',
  [Health.HEALTH_SUSPENDED]: 'suspended',
  [Health.HEALTH_MISSING]: 'missing',
  [Health.HEALTH_UNKNOWN]: 'unknown',
};

/** The cluster that the broker let publish on this subject; a payload never says who it is from. */
export function clusterOfSubject(subject: string): ClusterId {
  const id = parseClusterId(subject.split('.')[2]);
  if (!id.ok) throw new PayloadInvalidError(`the subject ${subject} names no cluster`);
  return id.value;
}

const outcomes: Readonly<Partial<Record<VerificationOutcome, ReceivedResult['outcome']>>> = {
  [VerificationOutcome.VERIFICATION_OUTCOME_PASSED]: 'passed',
  [VerificationOutcome.VERIFICATION_OUTCOME_FAILED]: 'failed',
  [VerificationOutcome.VERIFICATION_OUTCOME_INCONCLUSIVE]: 'inconclusive',
};

/** What the subject of reports carries: the state of a unit, or the result of a verification run. */
export function decodeReport(
  data: Uint8Array,
  cluster: ClusterId,
  receivedAt: Instant,
): { readonly report: ReceivedReport } | { readonly result: ReceivedResult } {
  const report = decode('report', data, Report.decode);
  const { verificationResult } = report;
  return verificationResult
    ? { result: resultOf(verificationResult, cluster, receivedAt) }
    : { report: reportOf(report, cluster, receivedAt) };
}

function resultOf(result: WireResult, cluster: ClusterId, receivedAt: Instant): ReceivedResult {
  const outcome = outcomes[result.outcome];
  if (outcome === undefined) throw new PayloadInvalidError(`unknown outcome ${result.outcome}`);
  const { logTail, logTruncated } = result;
  return {
    runId: parsed('run id', parseNewId(result.runId)),
    cluster,
    outcome,
    message: textOf(result.message),
    logTail: logTail.slice(-verificationLogCharactersMax),
    logTruncated: logTruncated || logTail.length > verificationLogCharactersMax,
    receivedAt,
  };
}

function reportOf(report: Report, cluster: ClusterId, receivedAt: Instant): ReceivedReport {
  const phase = phases[report.phase];
  if (phase === undefined) throw new PayloadInvalidError(`unknown phase ${report.phase}`);
  return {
    pipeline: parsed('pipeline', parseName<PipelineName>(report.pipeline)),
    stage: parsed('stage', parseName<StageName>(report.stage)),
    cluster,
    agentEpoch: agentEpochOf(report.agentEpoch),
    sequence: positive('sequence', report.sequence),
    epoch: report.epoch,
    generation: positive('generation', report.generation),
    commit: parsed('commit', parseCommitId(report.commit)),
    phase,
    health: healths[report.health] ?? 'unknown',
    message: textOf(report.message),
    terminal: report.terminal,
    receivedAt,
    objectsTotal: report.objectsTotal,
    objectsHealthy: report.objectsHealthy,
    objects: report.objects.slice(0, reportObjectsMax).map((status) => ({
      object: objectOf(status.object) ?? { group: '', kind: '', namespace: '', name: '' },
      health: healths[status.health] ?? 'unknown',
      message: textOf(status.message),
    })),
    objectsTruncated:
      report.objectsTruncated + Math.max(0, report.objects.length - reportObjectsMax),
    pruneHeldObjects: report.pruneHeldObjects,
    pruneHeld: report.pruneHeld
      .slice(0, reportHeldObjectsMax)
      .flatMap((object) => objectOf(object) ?? []),
    pruneHeldDigest: textOf(report.pruneHeldDigest).slice(0, digestCharactersMax),
    drifts: driftsOf(report.drifts),
    driftsTotal: report.drifts?.objectsTotal ?? 0,
    ignoredTotal: report.drifts?.ignoredTotal ?? 0,
    observedAt: report.observedAtMs,
  };
}

export function decodeAuditBatch(data: Uint8Array): {
  agentEpoch: string;
  events: ReceivedAuditEvent[];
} {
  const batch = decode('audit batch', data, AuditBatch.decode);
  const events = batch.events.map((event, index): ReceivedAuditEvent => {
    const sequence = positive('sequence', event.sequence);
    const before = batch.events[index - 1]?.sequence;
    if (before !== undefined && sequence !== before + 1) {
      throw new PayloadInvalidError(`the events ${before} and ${sequence} are not in a row`);
    }
    const object = objectOf(event.object);
    return {
      sequence,
      occurredAt: event.occurredAtMs,
      pipeline: textOf(event.pipeline),
      stage: textOf(event.stage),
      generation: event.generation,
      commit: textOf(event.commit),
      kind: textOf(event.kind),
      message: textOf(event.message),
      ...(object ? { object } : {}),
      ...(event.detailsJson === '' ? {} : { details: detailsOf(event.detailsJson) }),
    };
  });
  if (events.length === 0) throw new PayloadInvalidError('an audit batch without events');
  return { agentEpoch: agentEpochOf(batch.agentEpoch), events };
}

export function decodeBeat(data: Uint8Array): ReceivedBeat {
  const beat = decode('beat', data, Beat.decode);
  return {
    instanceId: textOf(beat.instanceId),
    agentVersion: textOf(beat.agentVersion),
    sentAt: beat.sentAtMs,
    unitsTotal: beat.unitsTotal,
    auditOutboxLength: beat.auditOutboxLength,
  };
}

function decode<Message>(
  what: string,
  data: Uint8Array,
  read: (data: Uint8Array) => Message,
): Message {
  if (data.length > busPayloadBytesMax) {
    throw new PayloadInvalidError(`${data.length} bytes; at most ${busPayloadBytesMax} are read`);
  }
  try {
    return read(data);
  } catch {
    throw new PayloadInvalidError(`not a ${what}`);
  }
}

function parsed<Value>(
  field: string,
  result: { ok: true; value: Value } | { ok: false; error: string },
): Value {
  if (result.ok) return result.value;
  throw new PayloadInvalidError(`${field} ${result.error}`);
}

function positive(field: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new PayloadInvalidError(`${field} must be positive`);
  }
  return value;
}

function agentEpochOf(text: string): string {
  if (/^[A-Za-z0-9-]{1,64}$/.test(text)) return text;
  throw new PayloadInvalidError('agent epoch must have 1 to 64 letters, digits and "-"');
}

const textOf = (text: string): string =>
  text.length > agentTextCharactersMax ? `${text.slice(0, agentTextCharactersMax)}…` : text;

function objectOf(
  object: { group: string; kind: string; namespace: string; name: string } | undefined,
) {
  if (object === undefined) return undefined;
  return {
    group: textOf(object.group),
    kind: textOf(object.kind),
    namespace: textOf(object.namespace),
    name: textOf(object.name),
  };
}

/** Details that are no JSON are kept as text: an audit event is never lost for its decoration. */
function detailsOf(text: string): unknown {
  if (Buffer.byteLength(text) > auditDetailsBytesMax) return { truncated: textOf(text) };
  try {
    return JSON.parse(text);
  } catch {
    return textOf(text);
  }
}

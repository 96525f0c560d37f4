import {
  AdoptPolicy,
  ConflictPolicy,
  Disposition,
  DriftPolicy,
  type Assignment as Message,
  VerificationMode,
  VerificationRun,
} from '@fairlead/proto';
import { unreachable } from '@fairlead/shared/result';
import type { Assignment, VerificationOrder } from '../domain/rollout/index.ts';
import { verificationRunsBytesMax } from '../limits.ts';

/** An assignment as it travels. Labels are the hub's, never what an agent claims. */
export function assignmentMessage(
  assignment: Assignment,
  hub: { epoch: number; clusterLabels: Readonly<Record<string, string>> },
): Message {
  const { render, apply } = assignment;
  return {
    pipeline: assignment.pipeline,
    stage: assignment.stage,
    project: assignment.project,
    epoch: hub.epoch,
    generation: assignment.generation,
    disposition: dispositionOf(assignment.disposition),
    repository: assignment.repository,
    commit: assignment.commit,
    path: assignment.path,
    root: assignment.root,
    render: {
      helmReleaseName: render.helm.releaseName,
      helmValuesFiles: [...render.helm.valuesFiles],
      helmValuesJson:
        Object.keys(render.helm.values).length === 0 ? '' : JSON.stringify(render.helm.values),
      substitution: render.substitution && { values: { ...render.substitution } },
      sopsSecret: render.sopsSecretName ?? '',
    },
    apply: {
      namespace: apply.namespace,
      createNamespace: apply.createNamespace,
      prune: apply.prune,
      drift: driftOf(apply.drift),
      adopt: adoptOf(apply.adopt),
      deletionBudget: { ...apply.deletionBudget },
      confirmedPruneGeneration: assignment.confirmedPruneGeneration,
      confirmedPruneDigest: assignment.confirmedPruneDigest,
      serviceAccount: apply.serviceAccountName ?? '',
      conflicts: conflictsOf(apply.conflicts),
      dependsOn: [...apply.dependsOn],
      ignoreDifferences: apply.ignoreDifferences.map((rule) => ({
        ...rule,
        jsonPointers: [...rule.jsonPointers],
        managers: [...rule.managers],
      })),
      healthChecks: apply.healthChecks.map((check) => ({ ...check })),
    },
    clusterName: assignment.clusterName,
    clusterLabels: { ...hub.clusterLabels },
    verification: {
      mode: verificationOf(assignment.verification?.mode),
      keysName: assignment.verification?.keysName ?? '',
    },
  };
}

/**
 * Runs as they travel, as many of the first as one message takes. What was listed stays listed until it ends, because
 * those after it only move up.
 */
export function verificationRunMessages(
  orders: readonly VerificationOrder[],
  hub: { epoch: number; clusterLabels: Readonly<Record<string, string>> },
): VerificationRun[] {
  const runs: VerificationRun[] = [];
  let bytes = 0;
  for (const { runId, name, assignment, file, timeoutMs } of orders) {
    const message = assignmentMessage(assignment, hub);
    const run = { runId, name, assignment: message, file, timeoutMs };
    bytes += VerificationRun.encode(run).finish().length;
    if (runs.length > 0 && bytes > verificationRunsBytesMax) break;
    runs.push(run);
  }
  return runs;
}

function dispositionOf(disposition: Assignment['disposition']): Disposition {
  switch (disposition) {
    case 'run':
      return Disposition.DISPOSITION_RUN;
    case 'orphan':
      return Disposition.DISPOSITION_ORPHAN;
    case 'delete':
      return Disposition.DISPOSITION_DELETE;
    default:
      return unreachable(disposition);
  }
}

function verificationOf(mode: 'warn' | 'required' | undefined): VerificationMode {
  switch (mode) {
    case undefined:
      return VerificationMode.VERIFICATION_MODE_NONE;
    case 'warn':
      return VerificationMode.VERIFICATION_MODE_WARN;
    case 'required':
      return VerificationMode.VERIFICATION_MODE_REQUIRED;
    default:
      return unreachable(mode);
  }
}

const driftOf = (drift: Assignment['apply']['drift']): DriftPolicy =>
  drift === 'repair' ? DriftPolicy.DRIFT_POLICY_REPAIR : DriftPolicy.DRIFT_POLICY_REPORT;

function conflictsOf(conflicts: Assignment['apply']['conflicts']): ConflictPolicy {
  switch (conflicts) {
    case 'fail':
      return ConflictPolicy.CONFLICT_POLICY_FAIL;
    case 'take':
      return ConflictPolicy.CONFLICT_POLICY_TAKE;
    case 'leave':
      return ConflictPolicy.CONFLICT_POLICY_LEAVE;
    default:
      return unreachable(conflicts);
  }
}

function adoptOf(adopt: Assignment['apply']['adopt']): AdoptPolicy {
  switch (adopt) {
    case 'if-unowned':
      return AdoptPolicy.ADOPT_POLICY_IF_UNOWNED;
    case 'if-equal':
      return AdoptPolicy.ADOPT_POLICY_IF_EQUAL;
    case 'always':
      return AdoptPolicy.ADOPT_POLICY_ALWAYS;
    default:
      return unreachable(adopt);
  }
}

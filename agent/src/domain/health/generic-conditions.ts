import type { KubernetesObject } from '@fairlead/shared/manifest';
import {
  type Condition,
  conditionsOf,
  conditionText,
  listOf,
  mappingAt,
  statusOf,
} from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing, suspended } from './state.ts';
import { toneOfCondition } from './words.ts';

// Conditions that say by their name that something is wrong, under way or held, while they are True.
const abnormal =
  /^(HasErrors?|Invalid|InvalidSpec|Conflict|Terminal|NotReady|Denied|ErrorOccurred|Orphan)$|(Stalled|Failed|Failure|Errors?|Degraded|Unhealthy)$/;
const underWay =
  /^(Reconciling|Progressing|Updating|Upgrading|Provisioning|Deploying|Creating|Installing|Pending|Initializing|RolloutProgressing)$/;
const held = /^(Paused|Suspended|Hibernated|ReconciliationPaused)$/;
const heldReason = /^(Reconcile|Reconciliation)?(Paused|Suspended)$/;

// Conditions that sum an object up; the first that is there speaks for it.
const summaries = ['Ready', 'Available', 'Healthy', 'Succeeded', 'Complete', 'Completed'];

// A part of an object that is well while it is True.
const part =
  /(Ready|Available|Healthy|Succeeded|Completed?|Synced|Synchronized|Reconciled|Success|Deployed|Installed|Provisioned|Programmed|Established|Accepted|Admitted|Valid|Applied|Initialized|Registered|Configured|ResolvedRefs|UpToDate|Bound|Created|Running|Active|Scheduled|Resolved)$/;

const isTrue = ({ status }: Condition): boolean => status === 'True';
const isFalse = ({ status }: Condition): boolean => status === 'False';
const hasFailed = ({ reason, message }: Condition): boolean =>
  toneOfCondition(reason, message) === 'failed';

/** What the conditions say; undefined where there are none. */
export function byConditions(object: KubernetesObject): ObjectHealth | undefined {
  const status = statusOf(object);
  const own = conditionsOf(status);
  const all = own.length > 0 ? own : conditionsOfParts(object);
  if (all.length === 0) {
    return Array.isArray(status.conditions)
      ? progressing('waits for the first condition')
      : undefined;
  }
  const holding = all.find(
    ({ type, status: state, reason }) =>
      (state === 'True' && held.test(type)) || heldReason.test(reason),
  );
  if (holding) return suspended(conditionText(holding));
  const broken = all.find((condition) => isTrue(condition) && abnormal.test(condition.type));
  if (broken) return degraded(conditionText(broken));
  const summary = summaries.flatMap((type) => all.find((one) => one.type === type) ?? [])[0];
  const reconciling = all.find(
    (condition) => isTrue(condition) && condition.type === 'Reconciling',
  );
  // Crossplane and its like say that the last reconciliation failed beside a Ready that is still True.
  const refused = all.find(
    (condition) =>
      isFalse(condition) && /^(Synced|Reconciled)$/.test(condition.type) && hasFailed(condition),
  );
  if (refused) return degraded(conditionText(refused));
  if (reconciling && (!summary || !isFalse(summary)))
    return progressing(conditionText(reconciling));
  return summary ? bySummary(summary, all) : byParts(all);
}

/**
 * kstatus reads every Ready that is not True as work under way, and a unit that cannot succeed would wait for ever. So the
 * words decide: a reason or message of failure is one, all else is under way.
 */
function bySummary(summary: Condition, all: readonly Condition[]): ObjectHealth | undefined {
  // True speaks for the parts; a phase may still say more.
  if (isTrue(summary)) return undefined;
  if (isFalse(summary) && hasFailed(summary)) return degraded(conditionText(summary));
  // A summary that only says No leaves the reason to the part that failed.
  const silent = summary.reason === '' && summary.message === '';
  const failed = all.find(
    (condition) =>
      condition !== summary &&
      isFalse(condition) &&
      part.test(condition.type) &&
      hasFailed(condition),
  );
  if (failed && silent && isFalse(summary)) return degraded(conditionText(failed));
  return progressing(conditionText(summary));
}

function byParts(all: readonly Condition[]): ObjectHealth | undefined {
  const parts = all.filter(({ type }) => part.test(type));
  const failed = parts.find((condition) => isFalse(condition) && hasFailed(condition));
  if (failed) return degraded(conditionText(failed));
  const waiting = parts.find((condition) => !isTrue(condition));
  if (waiting) return progressing(conditionText(waiting));
  const busy = all.find((condition) => isTrue(condition) && underWay.test(condition.type));
  if (busy && !/Available|Complete|Succe/.test(busy.reason))
    return progressing(conditionText(busy));
  return parts.length > 0 ? healthy() : undefined;
}

// Gateway API and OpenShift keep conditions for each parent, ancestor, listener or router.
function conditionsOfParts(object: KubernetesObject): readonly Condition[] {
  const status = statusOf(object);
  return ['parents', 'ancestors', 'ingress', 'listeners'].flatMap((field) =>
    listOf(status[field]).flatMap((entry) => conditionsOf(mappingAt(entry))),
  );
}

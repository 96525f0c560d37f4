import { groupOf, type KubernetesObject } from '@fairlead/shared/manifest';
import { explain } from './explain.ts';
import {
  type Condition,
  conditionsOf,
  conditionText,
  isBehind,
  numberOf,
  specOf,
  statusOf,
  textOf,
} from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing, suspended, unknown } from './state.ts';
import { toneOfCondition, toneOfPhase } from './words.ts';

// Conditions that say by their name that something is wrong, or under way, while they are True.
const abnormal =
  /^(Stalled|Failed|Failure|Error|Errors|HasErrors?|Degraded|Invalid|InvalidSpec|Conflict|Terminal|ReconcileFailed|ReconcileError|ReplicaFailure|ErrorOccurred|NotReady)$/;
const underWay =
  /^(Reconciling|Progressing|Updating|Upgrading|Provisioning|Deploying|Creating|Installing|Pending|Initializing)$/;
const pausing = /^(Paused|Suspended|Hibernated|ReconciliationPaused)$/;

/** Conditions that sum a kind up, the most telling first; the first that is there speaks for the object. */
const summaries = [
  'Ready',
  'Available',
  'Healthy',
  'Succeeded',
  'Complete',
  'Completed',
  'Programmed',
  'Established',
  'Synced',
  'Reconciled',
  'ReconcileSuccess',
  'ReconcileSucceeded',
  'Deployed',
  'Installed',
  'Provisioned',
  'Running',
  'Initialized',
  'Accepted',
  'Valid',
  'Applied',
  'Active',
];

const phaseFields = [
  'phase',
  'state',
  'status',
  'health',
  'healthStatus',
  'currentState',
  'clusterState',
  'lifecycleState',
  'provisioningState',
  'currentStatus',
];

/**
 * For kinds without a rule of their own: `observedGeneration`, kstatus' abnormal-true conditions, the condition that sums the
 * object up, then one word of its status, then its counts of replicas. A kind that keeps no status at all is
 * configuration, and healthy; `expectsStatus` says that its controller may still write the first one.
 */
export function genericHealth(object: KubernetesObject, expectsStatus: boolean): ObjectHealth {
  const status = statusOf(object);
  if (Object.keys(status).length === 0) {
    return expectsStatus && !isBuiltIn(object)
      ? progressing('waits for the first status')
      : healthy();
  }
  if (isBehind(object)) {
    return progressing('waits for the controller to see the newest specification');
  }
  return byConditions(object) ?? byPhase(object) ?? byReplicas(object) ?? healthy();
}

function byConditions(object: KubernetesObject): ObjectHealth | undefined {
  const conditions = conditionsOf(statusOf(object));
  const summary = summaries.flatMap(
    (type) => conditions.find((condition) => condition.type === type) ?? [],
  )[0];
  const whenTrue = (pattern: RegExp) =>
    conditions.find(({ type, status }) => status === 'True' && pattern.test(type));
  const paused =
    whenTrue(pausing) ??
    conditions.find(({ reason }) => /^(Reconcile)?(Paused|Suspended)$/.test(reason));
  if (paused && paused.status !== 'Unknown') return suspended(conditionText(paused));
  const broken = whenTrue(abnormal);
  if (broken) return degraded(conditionText(broken));
  const refused = conditions.find(
    ({ type, status }) =>
      status === 'False' && /^(Synced|Accepted|Valid|ResolvedRefs|Reconciled)$/.test(type),
  );
  if (
    refused &&
    refused !== summary &&
    toneOfCondition(refused.reason, refused.message) === 'failed'
  ) {
    return degraded(conditionText(refused));
  }
  const reconciling = whenTrue(/^Reconciling$/);
  if (reconciling && summary?.status !== 'False') return progressing(conditionText(reconciling));
  if (summary) return bySummary(summary, conditions);
  const busy = whenTrue(underWay);
  return busy &&
    toneOfCondition('', busy.message) !== 'failed' &&
    !/Available|Complete|Succe/.test(busy.reason)
    ? progressing(conditionText(busy))
    : undefined;
}

/**
 * kstatus reads every Ready that is not True as work under way, and a unit that cannot succeed would wait for ever. So the
 * words decide: a reason or message of failure is one, all else is under way.
 */
function bySummary(summary: Condition, conditions: readonly Condition[]): ObjectHealth | undefined {
  if (summary.status === 'True') return undefined;
  const { reason, message } = summary;
  if (summary.status === 'False' && toneOfCondition(reason, message) === 'failed') {
    return degraded(conditionText(summary));
  }
  // A summary may only say that not all is ready; the part that failed says why.
  const part = conditions.find(
    (condition) =>
      condition !== summary &&
      condition.status === 'False' &&
      /(Ready|Available|Healthy|Succeeded|Valid)$/.test(condition.type) &&
      toneOfCondition(condition.reason, condition.message) === 'failed',
  );
  if (part && summary.status === 'False' && reason === '' && message === '') {
    return degraded(conditionText(part));
  }
  return progressing(conditionText(summary));
}

function byPhase(object: KubernetesObject): ObjectHealth | undefined {
  const status = statusOf(object);
  for (const field of phaseFields) {
    const word = textOf(status[field]);
    if (word === '') continue;
    const tone = toneOfPhase(word);
    if (tone === '') continue;
    if (tone === 'healthy') break;
    const message = explain(object, 'Degraded') || `${field} is ${word}`;
    if (tone === 'failed') return degraded(message);
    if (tone === 'suspended') return suspended(`${field} is ${word}`);
    if (tone === 'unknown') return unknown(`${field} is ${word}`);
    return progressing(message);
  }
  const { ready } = status;
  return ready === false ? progressing(explain(object, 'Progressing')) : undefined;
}

/** A workload by the names of Kubernetes' own; one that does not say what it wants is not held to it. */
function byReplicas(object: KubernetesObject): ObjectHealth | undefined {
  const status = statusOf(object);
  const wanted = numberOf(specOf(object).replicas, 0);
  const counted = [status.availableReplicas, status.readyReplicas].find(
    (count) => typeof count === 'number',
  );
  if (counted === undefined || Number(counted) >= wanted) return undefined;
  return progressing(`${String(counted)} of ${wanted} replicas ready`);
}

const isBuiltIn = ({ apiVersion }: KubernetesObject): boolean => {
  const group = groupOf(apiVersion);
  return !group.includes('.') || group.endsWith('.k8s.io');
};

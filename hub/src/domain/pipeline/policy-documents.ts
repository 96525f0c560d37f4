import type {
  Amount,
  ApprovalPolicy,
  GatePolicy,
  MetricRule,
  RolloutPolicy,
  WaveRule,
  WindowRule,
} from './definition.ts';
import { exactDuration } from './exact-duration.ts';

export const gateDocument = (gates: GatePolicy) => ({
  soak: {
    duration: exactDuration(gates.soakMs),
    unhealthy: gates.soakUnhealthy,
    unknown: gates.soakUnknown,
  },
  ...(gates.approvals === undefined ? {} : { approvals: approvalDocument(gates.approvals) }),
  windows: gates.windows.map(windowDocument),
  verifications: gates.verifications.map(({ timeoutMs, ...rule }) => ({
    ...rule,
    timeout: exactDuration(timeoutMs),
  })),
  metrics: gates.metrics.map(metricDocument),
  statuses: gates.statuses,
});

const approvalDocument = ({ expiresAfterMs, ...policy }: ApprovalPolicy) => ({
  ...policy,
  expiresAfter: exactDuration(expiresAfterMs),
});

const windowDocument = (rule: WindowRule) => ({
  name: rule.name,
  [rule.effect]: {
    schedule: rule.schedule.text,
    ...(rule.schedule.kind === 'rrule' ? { startsAt: rule.startsAt } : {}),
    duration: exactDuration(rule.durationMs),
    timeZone: rule.timeZone,
  },
  running: rule.running,
});

const metricDocument = ({ source, credentialsSecretName, condition, ...rule }: MetricRule) => ({
  name: rule.name,
  ...(source.kind === 'prometheus'
    ? { prometheus: { url: source.url, query: source.query } }
    : { http: { url: source.url, json: source.jsonPointer } }),
  ...(credentialsSecretName === undefined
    ? {}
    : { credentials: { secretRef: credentialsSecretName } }),
  [condition.kind === 'fail-if' ? 'failIf' : 'passIf']:
    `result ${condition.operator} ${condition.threshold}`,
  interval: exactDuration(rule.intervalMs),
  for: exactDuration(rule.forMs),
  failureLimit: rule.failureLimit,
  noData: rule.noData,
});

export const rolloutDocument = ({
  waves,
  maxConcurrent,
  maxFailures,
  minHealthyMs,
  progressDeadlineMs,
  retries,
  ...policy
}: RolloutPolicy) => ({
  waves: waves.map(waveDocument),
  ...(maxConcurrent === undefined ? {} : { maxConcurrent: amountDocument(maxConcurrent) }),
  maxFailures: amountDocument(maxFailures),
  minHealthy: exactDuration(minHealthyMs),
  progressDeadline: exactDuration(progressDeadlineMs),
  ...policy,
  retries: { limit: retries.limit, backoff: exactDuration(retries.backoffMs) },
});

const waveDocument = (wave: WaveRule) =>
  wave.kind === 'labels' ? { matchLabels: wave.matchLabels } : { max: amountDocument(wave.max) };

const amountDocument = (amount: Amount): number | string =>
  'count' in amount ? amount.count : `${amount.percent}%`;

import { formatDuration } from '@fairlead/shared/time';
import type {
  ClusterDocument,
  DifferenceDocument,
  ObjectDocument,
  StageDocument,
} from '../http/index.ts';

/** How long ago or how far ahead a time is, in words: `3m ago`, `in 8m`, `now`. */
export function relativeTime(time: string | undefined, now: number): string {
  if (time === undefined) return 'never';
  const elapsedMs = now - Date.parse(time);
  if (Math.abs(elapsedMs) < 1_000) return 'now';
  return elapsedMs > 0 ? `${roughly(elapsedMs)} ago` : `in ${roughly(-elapsedMs)}`;
}

/** How long something lasts already: `3m`. */
export const age = (since: string | undefined, now: number): string =>
  since === undefined ? '' : roughly(Math.max(0, now - Date.parse(since)));

/** Whole seconds are enough for a person. */
const roughly = (durationMs: number): string =>
  durationMs < 1_000 ? '0s' : formatDuration(Math.floor(durationMs / 1_000) * 1_000);

export const shortCommit = (commit: string | undefined): string => commit?.slice(0, 10) ?? '';

export const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');

type StatusFields = Pick<ClusterDocument, 'status' | 'statusSince' | 'lastSeenAt'> &
  Partial<Pick<ClusterDocument, 'joinTokenExpiresAt'>>;

/** A cluster's status with its age, counted for an offline one from the last time that it was heard. */
export function clusterStatus(cluster: StatusFields, now: number): string {
  const { status, statusSince, lastSeenAt, joinTokenExpiresAt } = cluster;
  if (status === 'offline') return `offline for ${age(lastSeenAt ?? statusSince, now)}`;
  if (status === 'pending' && joinTokenExpiresAt !== undefined) {
    return Date.parse(joinTokenExpiresAt) > now
      ? `pending, token expires ${relativeTime(joinTokenExpiresAt, now)}`
      : 'pending, token expired';
  }
  return `${status} for ${age(statusSince, now)}`;
}

/** F01: the hub's log is older than what the agent holds. */
export function regressionText({
  units,
  unitsTotal,
}: NonNullable<ClusterDocument['epochRegressed']>): string {
  const [first] = units;
  const named = first
    ? ` (${first.pipeline}/${first.stage} has generation ${first.generation}, the hub knows ${first.known})`
    : '';
  return (
    `epoch regressed: its agent holds newer assignments of ${unitsTotal} units than this hub knows${named}. ` +
    'It is told nothing and goes on as it is. Was the hub restored? Then see `fairlead hub accept-restore`.'
  );
}

/** What a stage does now. */
export function stagePhase(stage: StageDocument, now: number): string {
  if (stage.rollout === undefined) return 'no release yet';
  switch (stage.rollout.state) {
    case 'running':
      return `rolling out for ${age(stage.rollout.startedAt, now)}`;
    case 'succeeded':
      return `succeeded ${relativeTime(stage.succeededAt ?? stage.rollout.startedAt, now)}`;
    default:
      return stage.rollout.state;
  }
}

/** Healthy targets of all: `3 of 4 healthy, 1 offline`. */
export function targetsText({ targets }: Pick<StageDocument, 'targets'>): string {
  if (targets.total === 0) return 'none';
  const parts = [`${targets.healthy} of ${targets.total} healthy`];
  if (targets.pruneHeld > 0) parts.push(`${targets.pruneHeld} with a held prune`);
  if (targets.failing > 0) parts.push(`${targets.failing} failing`);
  if (targets.offline > 0) parts.push(`${targets.offline} offline`);
  return parts.join(', ');
}

export function stageHealth(stage: StageDocument, now: number): string {
  const since = stage.healthSince === undefined ? '' : ` for ${age(stage.healthSince, now)}`;
  return stage.health === 'unknown' ? 'unknown' : `${stage.health}${since}`;
}

/** Targets that would leave the stage at once. */
export const withdrawalText = ({ heldWithdrawal: held, pipeline, name }: StageDocument): string =>
  held === undefined
    ? ''
    : `${held.clusters.length} of ${held.targetsTotal} targets would leave at once: ` +
      `see \`fairlead confirm-withdrawal ${pipeline}/${name} --show\``;

/** It runs a hotfix that the stages before it do not have. */
export const aheadText = ({ ahead }: Pick<StageDocument, 'ahead'>): string =>
  ahead === undefined
    ? ''
    : `runs the hotfix ${shortCommit(ahead.release)}, not yet in ${ahead.notIn.join(', ')}`;

/** Why Git does not tell what the stage runs. */
export const refText = ({ refNote, pipeline, name }: StageDocument): string =>
  refNote === undefined ? '' : `branch fairlead/${pipeline}/${name}: ${refNote}`;

export const heldText = ({ held }: StageDocument, now: number): string =>
  held === undefined
    ? ''
    : `held ${held.automatic ? 'automatically ' : ''}${relativeTime(held.since, now)}: ${held.reason}`;

/** `frozen: the last week of the year, ends in 3d`. */
export const frozenText = ({ frozenBy = [] }: StageDocument, now: number): string =>
  frozenBy
    .map(
      ({ reason, until }) =>
        `frozen: ${reason}, ends ${until === undefined ? 'when it is lifted' : relativeTime(until, now)}`,
    )
    .join('; ');

/** One line without what would move a terminal's cursor or colour it. */
export const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();

/** `Deployment shop/web`. */
export const objectText = ({ kind, namespace, name }: ObjectDocument): string =>
  `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;

/** `spec.replicas: 7 -> 1`: what is there, and what the commit wants. */
export function differenceText({ path, live, desired }: DifferenceDocument): string {
  return `${path}: ${valueText(live)} -> ${valueText(desired)}`;
}

const valueText = (value: unknown): string =>
  value === undefined
    ? '(none)'
    : oneLine(typeof value === 'string' ? value : JSON.stringify(value));

import { formatDuration, type Instant } from '@fairlead/shared/time';
import type { StageDefinition } from '../../pipeline/definition.ts';
import { pinnedRelease, releaseInStage } from '../candidate.ts';
import { experienceOf, stagesBefore } from '../stages-before.ts';
import { short, stageState } from '../state.ts';
import { healthyMs } from '../stay.ts';
import { wayWithoutRollout } from '../without-rollout.ts';
import type { Gate, GateContext } from './gate.ts';

type Reason = { readonly detail: string; readonly clearsAt?: Instant };

/**
 * No stage after this one still needs what runs here, no release has its place kept here, and what would pass without a
 * rollout finds the stage as it should leave it. Nothing where none of these can be.
 */
export const turnGate: Gate = (context) => {
  const { state, release, inStage } = context;
  const reasons = [
    ...keptPlace(context),
    ...state.definition.stages.flatMap((later) => neededBy(later, context)),
    ...unsettled(context),
  ];
  const { request } = inStage;
  const asked = request?.release === release.commit && (request.force || request.hotfix);
  const evidence: Record<string, string> =
    inStage.pinned === undefined ? {} : { pinned: inStage.pinned };
  if (reasons.length === 0) return undefined;
  if (asked) return { passed: true, detail: 'A person asked for it before its turn.', evidence };
  const clearsAt = reasons.every((reason) => reason.clearsAt !== undefined)
    ? Math.max(...reasons.map((reason) => reason.clearsAt ?? 0))
    : undefined;
  return {
    passed: false,
    detail: reasons.map(({ detail }) => detail).join(' '),
    evidence,
    ...(clearsAt === undefined ? {} : { clearsAt }),
  };
};

/** A newer release waits behind the one whose place is kept; a person who names it may bring it in before. */
function keptPlace({ state, stage, release, inStage }: GateContext): Reason[] {
  const pinned = pinnedRelease(state, stage);
  if (pinned === undefined || pinned.commit === release.commit) return [];
  if (inStage.request?.release === release.commit) return [];
  const name = short(pinned.commit);
  return [
    {
      detail:
        `${name} keeps its place in ${stage.name} (supersede: ${stage.supersede.mode}) until it has ` +
        `been admitted or cannot come any more: promote ${short(release.commit)} by name to take it.`,
    },
  ];
}

/** What keeps its place in a later stage and soaks here for it is not displaced, unless it is unhealthy here. */
function neededBy(
  later: StageDefinition,
  { state, stage, release, fleet, at }: GateContext,
): Reason[] {
  const { gates } = later;
  const pinned = pinnedRelease(state, later);
  if (pinned === undefined || gates.soakMs === 0) return [];
  if (pinned.commit === release.commit || release.position <= pinned.position) return [];
  const { rollout } = stageState(state, stage.name);
  const { commit } = pinned;
  const { watchedMs } = fleet;
  if (rollout !== undefined || releaseInStage(state, stage.name)?.commit !== commit) return [];
  const { stay, soakedMs } = experienceOf(state, stage.name, { commit, gates, watchedMs });
  if (stay === undefined || stay.health === 'unhealthy' || soakedMs >= gates.soakMs) return [];
  if (!stagesBefore(state, later, { commit, watchedMs }).includes(stage.name)) return [];
  const remainingMs = gates.soakMs - healthyMs(stay, gates, watchedMs);
  const goesOn = stay.healthySince !== undefined;
  const still = goesOn ? '' : ' of healthy time, which stands still now';
  return [
    {
      detail:
        `${later.name} still needs ${short(commit)} in ${stage.name} for ` +
        `${formatDuration(remainingMs)}${still}.`,
      ...(goesOn ? { clearsAt: at + remainingMs } : {}),
    },
  ];
}

/** A release that changes nothing here passes only where what runs is proven healthy; forced, it rolls out instead. */
function unsettled({ state, stage, release, inStage }: GateContext): Reason[] {
  const { sameAs } = wayWithoutRollout(state, stage, release) ?? {};
  if (sameAs === undefined || inStage.stay?.health === 'healthy') return [];
  const { health = 'unknown', message = '' } = inStage.stay ?? {};
  return [
    {
      detail:
        `${short(release.commit)} changes nothing in ${stage.name} and passes when the stage is healthy ` +
        `with ${short(sameAs)}: it is ${health}${message ? `: ${message}` : ''}.`,
    },
  ];
}

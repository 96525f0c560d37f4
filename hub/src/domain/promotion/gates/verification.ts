import type { StageName } from '@fairlead/shared/ids';
import { formatDuration } from '@fairlead/shared/time';
import { stageNamed } from '../../pipeline/index.ts';
import { type ActivePipeline, short, stageState } from '../state.ts';
import { type Need, needsOf } from '../verification/needs.ts';
import type { VerificationRun } from '../verification/state.ts';
import type { Gate, GateContext } from './gate.ts';

/**
 * The Jobs that the stage asks for have passed with the release, and none that a stage before asked for has failed since
 * it let the release in: the newest run counts.
 */
export const verificationGate: Gate = (context) => {
  const needs = needsOf(context);
  const revoked = revokedBefore(context);
  if (needs.length === 0 && revoked.length === 0) return undefined;
  const evidence = Object.fromEntries(
    [...needs.flatMap(({ run }) => run ?? []), ...revoked.map(({ run }) => run)].map((run) => [
      `${run.name}@${run.clusterName}`,
      `${run.runId} ${run.ended?.outcome ?? 'running'}`,
    ]),
  );
  const faults = [
    ...revoked.map(({ stage, run }) => revokedText(stage, run)),
    ...needs.flatMap((need) => needText(context, need)),
  ];
  if (faults.length > 0) return { passed: false, detail: faults.join(' '), evidence };
  const runs = needs.flatMap(({ run }) => run ?? []);
  const where = runs.map(({ name, clusterName }) => `${name} in ${clusterName}`).join(', ');
  const name = short(context.release.commit);
  return { passed: true, detail: `Verified with ${name}: ${where}.`, evidence };
};

/** What keeps one Job from having passed, with what clears it; nothing when it has. */
function needText({ state, stage, release, at }: GateContext, need: Need): string[] {
  const { rule, run, waits } = need;
  const name = short(release.commit);
  if (run?.ended?.outcome === 'passed') return [];
  if (run?.ended) {
    const { outcome, message } = run.ended;
    const how = outcome === 'failed' ? 'has failed' : 'was inconclusive';
    return [
      `${rule.name} ${how} with ${name} in ${run.clusterName}: ${message}. A newer release clears ` +
        `it, or \`fairlead verify ${state.definition.name}/${stage.name} --name ${rule.name}\` runs it again.`,
    ];
  }
  if (run) {
    const since = formatDuration(Math.max(0, at - run.startedAt));
    const most = formatDuration(run.deadlineAt - run.startedAt);
    return [
      `${rule.name} runs with ${name} in ${run.clusterName} for ${since} of at most ${most}.`,
    ];
  }
  return waits === ''
    ? [`${rule.name} starts with the next look.`]
    : [`${rule.name} cannot start with ${name}: ${waits}.`];
}

const revokedText = (stage: StageName, { name, clusterName, ended }: VerificationRun): string =>
  ended
    ? `${name} of ${stage} is ${ended.outcome} in ${clusterName} by its newest run: ${ended.message}. ` +
      'Run it again, or let a newer release come.'
    : `${name} of ${stage} runs again in ${clusterName}.`;

type Revoked = { readonly stage: StageName; readonly run: VerificationRun };

/** Runs for stages before this one that are the newest of their kind and have not passed. */
function revokedBefore({ state, stage, release }: GateContext): Revoked[] {
  return stagesBefore(state, stage.after).flatMap((before) => {
    const newest = new Map<string, VerificationRun>();
    for (const run of stageState(state, before).verifications) {
      if (run.release !== release.commit) continue;
      newest.set([run.name, run.inStage, clusterKey(state, before, run)].join(' '), run);
    }
    const asked = stageNamed(state.definition, before);
    return [...newest.values()]
      .filter(({ name }) => asked?.gates.verifications.some((rule) => rule.name === name))
      .filter(({ ended }) => ended?.outcome !== 'passed')
      .map((run) => ({ stage: before, run }));
  });
}

/** Runs of one rule in several clusters stand beside each other only where the rule asks for all of them. */
function clusterKey(state: ActivePipeline, stage: StageName, run: VerificationRun): string {
  const of = stageNamed(state.definition, stage);
  const rule = of?.gates.verifications.find(({ name }) => name === run.name);
  return rule?.clusters === 'all' ? run.cluster : '';
}

function stagesBefore(state: ActivePipeline, names: readonly StageName[]): StageName[] {
  const found = new Set<StageName>();
  const visit = (name: StageName) => {
    if (found.has(name)) return;
    found.add(name);
    const stage = stageNamed(state.definition, name);
    for (const before of stage?.after ?? []) visit(before);
  };
  for (const name of names) visit(name);
  return [...found];
}

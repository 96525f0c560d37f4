import type { StageDefinition } from '../../pipeline/definition.ts';
import { candidateOf } from '../candidate.ts';
import type { PipelineCommand } from '../commands.ts';
import { type Decision, refuse } from '../decision.ts';
import type { PipelineEvent } from '../events.ts';
import { fleetView } from '../fleet-view.ts';
import { analyseAgain } from '../metric/steps.ts';
import { type ActivePipeline, type KnownRelease, releaseOf, short, stageState } from '../state.ts';
import { contextOf, needsOf } from './needs.ts';
import { startRun } from './steps.ts';

type Command = Extract<PipelineCommand, { type: 'verify' }>;

/** Runs verifications, and analyses of metrics that have ended, again; the newest counts. */
export function verifyAgain(
  state: ActivePipeline,
  stage: StageDefinition,
  command: Command,
): Decision {
  const { verifications, metrics } = stage.gates;
  const names = [...verifications, ...metrics].map(({ name }) => name);
  const isNamed = (name: string) => command.name === undefined || command.name === name;
  if (!names.some(isNamed)) {
    const known = names.length === 0 ? 'no verification' : `only ${names.join(', ')}`;
    return refuse('no_verification', `${stage.name} asks for ${known}.`);
  }
  const fleet = fleetView(command.snapshot);
  const release = chosenRelease(state, stage, command);
  if (release === undefined) {
    const detail = command.release
      ? `${short(command.release)} is no release of the pipeline.`
      : `No release waits for ${stage.name} or runs there.`;
    return refuse('release_not_found', detail);
  }
  const [...ids] = command.newIds;
  const events: PipelineEvent[] = [];
  const waits: string[] = [];
  const running: string[] = [];
  for (const need of needsOf(contextOf(state, stage, { release, fleet }))) {
    const { name } = need.rule;
    if (!isNamed(name)) continue;
    const runId = ids[0];
    if (need.run && !need.run.ended) running.push(name);
    else if (need.waits !== '') waits.push(`${name}: ${need.waits}`);
    else if (runId !== undefined) {
      ids.shift();
      const { subject: by } = command.by;
      events.push(...startRun(state, stage, { release, need, runId, fleet, by }));
    }
  }
  const analyses = analyseAgain(state, stage, { release, fleet, newIds: ids, isNamed });
  events.push(...analyses.events);
  running.push(...analyses.running);
  waits.push(...analyses.waits);
  if (events.length > 0) return { ok: true, value: events };
  if (running.length > 0) {
    const all = [...new Set(running)].join(', ');
    return refuse('verification_running', `${all} still runs for ${short(release.commit)}.`);
  }
  return refuse('release_not_eligible', `Nothing can be verified now: ${waits.join('; ')}.`);
}

function chosenRelease(
  state: ActivePipeline,
  stage: StageDefinition,
  command: Command,
): KnownRelease | undefined {
  if (command.release) return releaseOf(state, command.release);
  const waiting = candidateOf(state, stage, command.snapshot.at).release;
  const { current } = stageState(state, stage.name);
  return waiting ?? (current && releaseOf(state, current.release));
}

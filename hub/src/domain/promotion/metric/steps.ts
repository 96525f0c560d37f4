import type { CommitId, NewId } from '@fairlead/shared/ids';
import type { MetricRule, StageDefinition } from '../../pipeline/definition.ts';
import { stageNamed } from '../../pipeline/index.ts';
import type { PipelineEvent } from '../events.ts';
import type { FleetView } from '../fleet-view.ts';
import { healthGate } from '../gates/index.ts';
import { type ActivePipeline, type KnownRelease, short, stageState } from '../state.ts';
import type { Step } from '../step.ts';
import { contextOf } from '../verification/needs.ts';
import { expectedReleases } from '../verification/steps.ts';
import type { MetricEvent } from './events.ts';
import { judgeSamples } from './judge.ts';
import type { MetricAnalysis } from './state.ts';

/** Starts the analyses that gates wait for, and ends them on their samples. */
export const metricSteps: Step = (state, stage, { fleet, newIds }) => {
  const ended = analysisEnds(state, stage, fleet);
  return ended.length > 0 ? ended : analysisStarts(state, stage, { fleet, newIds });
};

/** The rule that an analysis was started with. */
export const ruleOf = (
  state: ActivePipeline,
  stage: StageDefinition,
  { revision, name }: Pick<MetricAnalysis, 'revision' | 'name'>,
): MetricRule | undefined =>
  stageNamed(state.definitions.get(revision), stage.name)?.gates.metrics.find(
    (rule) => rule.name === name,
  );

/** The newest analysis that counts: by the rule as it is now, and not one that was given up. */
export const newestAnalysis = (
  state: ActivePipeline,
  stage: StageDefinition,
  { rule, release }: { readonly rule: MetricRule; readonly release: CommitId },
): MetricAnalysis | undefined =>
  stageState(state, stage.name).analyses.findLast(
    (analysis) =>
      analysis.name === rule.name &&
      analysis.release === release &&
      !analysis.ended?.abandoned &&
      JSON.stringify(ruleOf(state, stage, analysis)) === JSON.stringify(rule),
  );

type Surroundings = { readonly fleet: FleetView; readonly newIds: readonly NewId[] };

function analysisStarts(
  state: ActivePipeline,
  stage: StageDefinition,
  { fleet, newIds }: Surroundings,
): PipelineEvent[] {
  const { metrics } = stage.gates;
  if (metrics.length === 0) return [];
  const due = expectedReleases(state, stage, fleet.at)
    .filter((release) => isHealthyBefore(state, stage, { release, fleet }))
    .flatMap((release) => metrics.map((rule) => ({ rule, release })))
    .filter(({ rule, release }) => {
      const newest = newestAnalysis(state, stage, { rule, release: release.commit });
      return newest === undefined;
    });
  return due.flatMap(({ rule, release }, index) => {
    const runId = newIds[index];
    return runId === undefined ? [] : [started(state, stage, { rule, release, runId, fleet })];
  });
}

const isHealthyBefore = (
  state: ActivePipeline,
  stage: StageDefinition,
  of: { readonly release: KnownRelease; readonly fleet: FleetView },
): boolean => healthGate(contextOf(state, stage, of))?.passed !== false;

type NewAnalysis = {
  readonly rule: MetricRule;
  readonly release: KnownRelease;
  readonly runId: NewId;
  readonly fleet: FleetView;
};

const started = (
  state: ActivePipeline,
  stage: StageDefinition,
  { rule, release, runId, fleet }: NewAnalysis,
): MetricEvent => ({
  type: 'MetricAnalysisStarted',
  stage: stage.name,
  release: release.commit,
  name: rule.name,
  runId,
  definitionRevision: state.revision,
  at: fleet.at,
  watchedMs: fleet.watchedMs,
});

function analysisEnds(
  state: ActivePipeline,
  stage: StageDefinition,
  fleet: FleetView,
): PipelineEvent[] {
  const open = stageState(state, stage.name).analyses.filter(({ ended }) => !ended);
  if (open.length === 0) return [];
  const expected = new Set(expectedReleases(state, stage, fleet.at).map(({ commit }) => commit));
  return open.flatMap((analysis): PipelineEvent[] => {
    const { name, release, runId, startedMs } = analysis;
    const rule = ruleOf(state, stage, analysis);
    const samples = fleet.samples.filter((sample) => sample.runId === runId);
    const verdict = rule && judgeSamples(rule, samples, fleet.watchedMs - startedMs);
    const ended = {
      type: 'MetricAnalysisEnded',
      stage: stage.name,
      release,
      name,
      runId,
      samplesTotal: verdict?.total ?? samples.length,
      samplesBad: verdict?.bad ?? 0,
      at: fleet.at,
    } as const;
    const now = stage.gates.metrics.find((candidate) => candidate.name === name);
    const isChanged = !rule || JSON.stringify(now) !== JSON.stringify(rule);
    if (isChanged || !expected.has(release)) {
      const message = isChanged
        ? 'the rule has changed'
        : `${short(release)} does not wait for the stage any more`;
      return [{ ...ended, outcome: 'inconclusive', message, abandoned: true }];
    }
    return verdict?.end ? [{ ...ended, ...verdict.end }] : [];
  });
}

export type AgainRequest = Surroundings & {
  readonly release: KnownRelease;
  readonly isNamed: (name: string) => boolean;
};

/** Analyses that a person asks for anew. Only what waits for the stage is analysed: nothing else would look at it. */
export function analyseAgain(
  state: ActivePipeline,
  stage: StageDefinition,
  { release, fleet, newIds, isNamed }: AgainRequest,
): { events: PipelineEvent[]; running: string[]; waits: string[] } {
  const rules = stage.gates.metrics.filter(({ name }) => isNamed(name));
  const newest = rules.map((rule) =>
    newestAnalysis(state, stage, { rule, release: release.commit }),
  );
  const running = rules.filter((_, index) => newest[index] && !newest[index].ended);
  const isWaiting = expectedReleases(state, stage, fleet.at).some(
    ({ commit }) => commit === release.commit,
  );
  const isHealthy = isHealthyBefore(state, stage, { release, fleet });
  const idle = rules.filter((rule) => !running.includes(rule));
  if (!isWaiting || !isHealthy) {
    const why = isWaiting
      ? `the stages before are not healthy with ${short(release.commit)}`
      : `${short(release.commit)} does not wait for ${stage.name}`;
    return { events: [], running: [], waits: idle.map(({ name }) => `${name}: ${why}`) };
  }
  return {
    events: idle.flatMap((rule, index) => {
      const runId = newIds[index];
      return runId === undefined ? [] : [started(state, stage, { rule, release, runId, fleet })];
    }),
    running: running.map(({ name }) => name),
    waits: [],
  };
}

import type { MetricEvent } from './events.ts';
import type { MetricAnalysis } from './state.ts';

/** Analyses that a stage remembers; the oldest are forgotten. */
const analysesMax = 500;

export function evolveAnalyses(
  analyses: readonly MetricAnalysis[],
  event: MetricEvent,
): readonly MetricAnalysis[] {
  if (event.type === 'MetricAnalysisEnded') {
    const { outcome, message, at, abandoned } = event;
    const ended = { outcome, message, at, ...(abandoned ? { abandoned } : {}) };
    return analyses.map((analysis) =>
      analysis.runId === event.runId ? { ...analysis, ended } : analysis,
    );
  }
  const { runId, name, release, definitionRevision: revision, at: startedAt } = event;
  const startedMs = event.watchedMs;
  return [...analyses, { runId, name, release, revision, startedAt, startedMs }].slice(
    -analysesMax,
  );
}

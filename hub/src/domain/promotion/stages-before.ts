import type { CommitId, StageName } from '@fairlead/shared/ids';
import type { GatePolicy, StageDefinition } from '../pipeline/definition.ts';
import { stageNamed } from '../pipeline/index.ts';
import { get } from './persistent-map.ts';
import { type ActivePipeline, type StageState, stageState } from './state.ts';
import { completedMs, healthyMs } from './stay.ts';

/** A stage that a release passes by its gates alone. */
export const isControl = ({ clusters }: Pick<StageDefinition, 'clusters'>): boolean =>
  clusters === undefined;

/** What a stage before this one has seen of a release, by the policy of the stage that waits. */
export type Experience = {
  /** The stay, while the stage runs it. */
  readonly stay?: NonNullable<StageState['stay']>;
  /** Now, or to the end when another release has taken its place. */
  readonly healthy: boolean;
  readonly soakedMs: number;
};

export function experienceOf(
  state: ActivePipeline,
  before: StageName,
  { commit, gates, watchedMs }: { commit: CommitId; gates: GatePolicy; watchedMs: number },
): Experience {
  const { stay, releases } = stageState(state, before);
  const past = get(releases, commit);
  const completed = completedMs(past, gates);
  if (stay?.release !== commit) {
    return { healthy: past?.leftHealthy === true, soakedMs: completed };
  }
  const soakedMs = Math.max(completed, healthyMs(stay, gates, watchedMs));
  return { stay, healthy: stay.health === 'healthy', soakedMs };
}

/**
 * The stages with clusters whose health and soak count for a release: control stages, and those that were put in
 * between when the release had gone by, are looked through; and where one
 * stage before is enough it is the one that is nearest to letting the release on.
 */
export function stagesBefore(
  state: ActivePipeline,
  stage: StageDefinition,
  { commit, watchedMs }: { commit: CommitId; watchedMs: number },
): StageName[] {
  const { gates } = stage;
  const leading = (of: StageDefinition): StageName[] => {
    const branches = of.after.map((name) => {
      const before = stageNamed(state.definition, name);
      const mark = get(stageState(state, name).releases, commit);
      const isThrough = before !== undefined && (isControl(before) || mark?.backfilled === true);
      const stages = isThrough ? leading(before) : [name];
      return { stages, succeeded: mark?.outcome === 'succeeded' };
    });
    const open = branches.filter(({ succeeded }) => succeeded);
    if (of.afterMode === 'all' || open.length === 0)
      return branches.flatMap(({ stages }) => stages);
    return open.map(({ stages }) => stages).reduce((best, next) => nearer(best, next));
  };
  const nearer = (best: StageName[], next: StageName[]): StageName[] => {
    const [left, right] = [distance(best), distance(next)];
    return right.unhealthy < left.unhealthy ||
      (right.unhealthy === left.unhealthy && right.missingMs < left.missingMs)
      ? next
      : best;
  };
  const distance = (stages: readonly StageName[]) => {
    const seen = stages.map((name) => experienceOf(state, name, { commit, gates, watchedMs }));
    return {
      unhealthy: seen.filter(({ healthy }) => !healthy).length,
      missingMs: Math.max(0, ...seen.map(({ soakedMs }) => gates.soakMs - soakedMs)),
    };
  };
  return [...new Set(leading(stage))];
}

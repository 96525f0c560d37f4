import type { CommitId, StageName } from '@fairlead/shared/ids';
import { type PipelineState, short } from './state.ts';

export type PipelineSummary = {
  readonly revision: number;
  readonly generation: number;
  readonly releases: number;
  readonly stages: readonly StageSummary[];
};

export type StageSummary = {
  readonly stage: StageName;
  readonly current?: CommitId;
  readonly rolling?: CommitId;
  readonly held: boolean;
  readonly targets: number;
  readonly text: string;
};

/** One line a stage, in the order of the definition; nothing for a pipeline that is not there. */
export function summarise(state: PipelineState): PipelineSummary | undefined {
  if (state.status !== 'active') return undefined;
  const stages = state.definition.stages.map(({ name }): StageSummary => {
    const inStage = state.stages.get(name);
    const current = inStage?.current?.release;
    const rolling = inStage?.rollout?.release;
    const parts = [
      rolling ? `rolling out ${short(rolling)}` : '',
      current ? `last succeeded ${short(current)}` : 'awaiting its first release',
      inStage?.hold ? `held: ${inStage.hold.reason}` : '',
    ];
    return {
      stage: name,
      ...(current ? { current } : {}),
      ...(rolling ? { rolling } : {}),
      held: inStage?.hold !== undefined,
      targets: inStage?.targets.size ?? 0,
      text: parts.filter((part) => part !== '').join(', '),
    };
  });
  const { revision, generation, releases } = state;
  return { revision, generation, releases: releases.length, stages };
}

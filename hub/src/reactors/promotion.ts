import type { PipelineName } from '@fairlead/shared/ids';
import { parseRolloutId } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import { expectOk } from '@fairlead/shared/result';
import type { Clock, Random } from '@fairlead/shared/time';
import type { CommandHandler, PipelineState } from '../commands/index.ts';
import type { Actor } from '../decision-log/index.ts';
import type { Snapshot } from '../domain/promotion/commands.ts';
import { nextWakeAt } from '../domain/promotion/index.ts';
import { advanceRolloutIdsMax } from '../limits.ts';
import { createReactor, type Reactor } from './reactor.ts';

const actor: Actor = { kind: 'hub', name: 'promotion' };

export type PromotionReactorOptions = {
  readonly commands: CommandHandler;
  readonly pipelineNames: () => readonly PipelineName[];
  /** Clusters and reports as the hub knows them at `at`. */
  readonly snapshotOf: (pipeline: PipelineName, at: number) => Snapshot;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

/**
 * Moves every pipeline as far as its state, the fleet and the reports allow. It is woken by any change of these; the
 * decision itself is the core's, on one snapshot.
 */
export function createPromotionReactor(options: PromotionReactorOptions): Reactor {
  const { commands, pipelineNames, snapshotOf, clock, random, signal, logger } = options;
  const newRolloutIds = () =>
    Array.from({ length: advanceRolloutIdsMax }, () =>
      expectOk(parseRolloutId(random.nextId()), 'a new rollout id'),
    );

  const advance = async (pipeline: PipelineName): Promise<PipelineState | undefined> => {
    const snapshot = snapshotOf(pipeline, clock.now());
    const result = await commands.pipeline(
      pipeline,
      { type: 'advance', snapshot, newRolloutIds: newRolloutIds() },
      actor,
    );
    if (result.ok) return result.value.state;
    logger.warn({ pipeline, rejection: result.error }, 'a pipeline could not be advanced');
    return undefined;
  };

  return createReactor({
    name: 'promotion',
    signal,
    logger,
    run: async () => {
      let wakeAt = Number.POSITIVE_INFINITY;
      for (const pipeline of pipelineNames()) {
        if (signal.aborted) break;
        const state = await advance(pipeline);
        const next = state && nextWakeAt(state, snapshotOf(pipeline, clock.now()));
        if (next !== undefined) wakeAt = Math.min(wakeAt, next);
      }
      return Number.isFinite(wakeAt) ? Math.max(0, wakeAt - clock.now()) : undefined;
    },
  });
}

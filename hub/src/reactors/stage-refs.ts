import type { RepositoryName } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Clock, Instant } from '@fairlead/shared/time';
import type { CommandHandler } from '../commands/index.ts';
import type { PipelineDefinition, RepositoryDefinition } from '../domain/pipeline/definition.ts';
import { type Git, type GitCredentials, silenceMs } from '../git/index.ts';
import { stageRefBackoffMsMax, stageRefBackoffMsMin, stageRefSweepMs } from '../limits.ts';
import { createReactor, type Reactor } from './reactor.ts';
import { mirrorDirectory } from './repositories.ts';
import { createStageRefWriter, isDue, wantedRefs } from './stage-ref-writer.ts';

export type StageRefReactorOptions = {
  readonly git: Git;
  readonly commands: CommandHandler;
  readonly repositories: () => readonly RepositoryDefinition[];
  readonly pipelinesOf: (repository: RepositoryName) => readonly PipelineDefinition[];
  readonly credentialsOf: (repository: RepositoryDefinition) => Promise<GitCredentials | undefined>;
  readonly mirrorsDirectory: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

/** What is kept of a remote between two looks; losing it costs one look. */
type Remote = { failures: number; silentUntil: Instant; lookedAt: Instant };

/**
 * Brings the branches `fairlead/<pipeline>/<stage>` of each repository that asks for it to what the log says that stages run. A
 * remote is looked at when a stage has changed, and slowly otherwise; a failure is a pause and a note, never a stop of anything.
 */
export function createStageRefReactor(options: StageRefReactorOptions): Reactor {
  const { git, commands, clock, signal, logger } = options;
  const remotes = new Map<RepositoryName, Remote>();

  const look = async (definition: RepositoryDefinition): Promise<Instant> => {
    const { name } = definition;
    const remote = remotes.get(name) ?? { failures: 0, silentUntil: 0, lookedAt: 0 };
    remotes.set(name, remote);
    const now = clock.now();
    if (now < remote.silentUntil) return remote.silentUntil;
    const wanted = await wantedRefs(commands, options.pipelinesOf(name));
    const sweepAt = remote.lookedAt + stageRefSweepMs;
    if (wanted.length === 0) return now + stageRefSweepMs;
    if (!wanted.some(isDue) && now >= remote.lookedAt && now < sweepAt) return sweepAt;
    const writer = createStageRefWriter({
      git,
      commands,
      request: {
        url: definition.url,
        credentials: await options.credentialsOf(definition),
        signal,
      },
      directory: mirrorDirectory(options.mirrorsDirectory, name),
      clock,
    });
    const { error, isWhole } = await writer.bring(wanted);
    remote.lookedAt = now;
    if (error === undefined) {
      remote.failures = 0;
      return isWhole ? now + stageRefSweepMs : now;
    }
    if (signal.aborted) return now;
    remote.failures++;
    remote.silentUntil =
      now + Math.max(backoffMs(remote.failures), silenceMs(error, remote.failures));
    logger.warn({ err: error, repository: name }, 'branches that tell of stages were not pushed');
    return remote.silentUntil;
  };

  return createReactor({
    name: 'stage-refs',
    signal,
    logger,
    run: async () => {
      let next = clock.now() + stageRefSweepMs;
      for (const definition of options.repositories()) {
        if (!definition.stageRefs || signal.aborted) continue;
        try {
          next = Math.min(next, await look(definition));
        } catch (error) {
          // One repository must not hold up the others.
          logger.error(
            { err: error, repository: definition.name },
            'stage refs were not looked at',
          );
          next = Math.min(next, clock.now() + stageRefBackoffMsMax);
        }
      }
      return Math.max(1, next - clock.now());
    },
  });
}

const backoffMs = (failures: number): number =>
  Math.min(stageRefBackoffMsMin * 2 ** Math.min(failures - 1, 20), stageRefBackoffMsMax);

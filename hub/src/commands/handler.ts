import type { Logger } from '@fairlead/shared/log';
import type { Result } from '@fairlead/shared/result';
import type { Clock } from '@fairlead/shared/time';
import type { Actor, DecisionLog } from '../decision-log/index.ts';
import {
  type ConfigurationCommand,
  type ConfigurationEvent,
  type ConfigurationRejection,
  type ConfigurationState,
  decideConfiguration,
  evolveConfiguration,
  initialConfigurationState,
} from '../domain/configuration/index.ts';
import { type HubEvent, type RepositoryEvent, streams } from '../domain/events.ts';
import {
  type ClusterCommand,
  type ClusterEvent,
  type ClusterRejection,
  type ClusterState,
  decideCluster,
  evolveCluster,
  initialClusterState,
} from '../domain/fleet/index.ts';
import {
  decideFreeze,
  evolveFreezes,
  type FreezeCommand,
  type FreezeEvent,
  type FreezeRejection,
  type FreezesState,
  initialFreezesState,
} from '../domain/freeze/index.ts';
import {
  decideHub,
  evolveHub,
  type HubCommand,
  type HubRejection,
  type HubState,
  initialHubState,
} from '../domain/hub/index.ts';
import {
  decidePipeline,
  evolvePipeline,
  initialPipelineState,
  type PipelineCommand,
  type PipelineEvent,
  type PipelineRejection,
  type PipelineState,
  type Snapshot,
} from '../domain/promotion/index.ts';
import {
  decideRepository,
  evolveRepository,
  initialRepositoryState,
  type RepositoryCommand,
  type RepositoryRejection,
  type RepositoryState,
} from '../domain/repository/index.ts';
import { createAgentAuditAppender } from './agent-audit.ts';
import { type Basis, createExecutor, type MadeAnew, type Outcome } from './execute.ts';
import { createRefusalRecorder } from './refusals.ts';

/** A command of a pipeline that holds a snapshot, made anew for each try. */
export type MadePipelineCommand = MadeAnew<PipelineCommand> & Pick<PipelineCommand, 'type'>;

/** No freeze may come between the snapshot of a decision and its place in the log. */
function basisOf(command: PipelineCommand): Basis {
  const { freezesVersion: version, freezesChangeAt: validUntil } = snapshotIn(command) ?? {};
  return {
    guards: version === undefined ? [] : [{ stream: streams.freezes, version }],
    ...(validUntil === undefined ? {} : { validUntil }),
  };
}

const snapshotIn = (command: PipelineCommand): Snapshot | undefined => {
  if ('snapshot' in command) return command.snapshot;
  return command.type === 'abort-rollout' ? command.rollback?.snapshot : undefined;
};

export type CommandHandler = ReturnType<typeof createCommandHandler>;

/**
 * The only way to a decision: each method folds the stream, decides, and appends what was decided, or returns why not.
 * What a person was refused is on record.
 */
export function createCommandHandler(deps: { log: DecisionLog; clock: Clock; logger?: Logger }) {
  const pipelines = createExecutor<
    PipelineState,
    PipelineCommand,
    PipelineEvent,
    PipelineRejection
  >(deps, {
    initialState: initialPipelineState,
    decide: decidePipeline,
    evolve: evolvePipeline,
    basisOf,
  });
  const clusters = createExecutor<ClusterState, ClusterCommand, ClusterEvent, ClusterRejection>(
    deps,
    { initialState: initialClusterState, decide: decideCluster, evolve: evolveCluster },
  );
  const repositories = createExecutor<
    RepositoryState,
    RepositoryCommand,
    RepositoryEvent,
    RepositoryRejection
  >(deps, {
    initialState: initialRepositoryState,
    decide: decideRepository,
    evolve: evolveRepository,
  });
  const hubs = createExecutor<HubState, HubCommand, HubEvent, HubRejection>(deps, {
    initialState: initialHubState,
    decide: decideHub,
    evolve: evolveHub,
  });
  const configurations = createExecutor<
    ConfigurationState,
    ConfigurationCommand,
    ConfigurationEvent,
    ConfigurationRejection
  >(deps, {
    initialState: initialConfigurationState,
    decide: decideConfiguration,
    evolve: evolveConfiguration,
  });
  const freezes = createExecutor<FreezesState, FreezeCommand, FreezeEvent, FreezeRejection>(deps, {
    initialState: initialFreezesState,
    decide: decideFreeze,
    evolve: evolveFreezes,
  });
  const recordRefusal = createRefusalRecorder(deps);

  const recorded = async <Value, Rejection extends { code: string; detail?: string }>(
    outcome: Promise<Result<Value, Rejection>>,
    about: { subject: string; command: string; actor: Actor },
  ): Promise<Result<Value, Rejection>> => {
    const result = await outcome;
    const { subject, command, actor } = about;
    if (!result.ok && actor.kind === 'person') {
      const { code, detail = '' } = result.error;
      await recordRefusal({ subject, command, code, detail }, actor);
    }
    return result;
  };

  return {
    pipeline: (
      name: string,
      command: PipelineCommand | MadePipelineCommand,
      actor: Actor,
    ): Promise<Outcome<PipelineState, PipelineRejection, PipelineEvent>> => {
      const subject = streams.pipeline(name);
      const outcome = pipelines.execute(subject, command, actor);
      return recorded(outcome, { subject, command: command.type, actor });
    },
    cluster: (
      name: string,
      command: ClusterCommand,
      actor: Actor,
    ): Promise<Outcome<ClusterState, ClusterRejection, ClusterEvent>> => {
      const subject = streams.cluster(name);
      const outcome = clusters.execute(subject, command, actor);
      return recorded(outcome, { subject, command: command.type, actor });
    },
    repository: (
      name: string,
      command: RepositoryCommand,
      actor: Actor,
    ): Promise<Outcome<RepositoryState, RepositoryRejection, RepositoryEvent>> => {
      const subject = streams.repository(name);
      const outcome = repositories.execute(subject, command, actor);
      return recorded(outcome, { subject, command: command.type, actor });
    },
    hub: (
      command: HubCommand,
      actor: Actor,
    ): Promise<Outcome<HubState, HubRejection, HubEvent>> => {
      const outcome = hubs.execute(streams.hub, command, actor);
      return recorded(outcome, { subject: streams.hub, command: command.type, actor });
    },
    configuration: (
      command: ConfigurationCommand,
      actor: Actor,
    ): Promise<Outcome<ConfigurationState, ConfigurationRejection, ConfigurationEvent>> => {
      const outcome = configurations.execute(streams.configuration, command, actor);
      return recorded(outcome, { subject: streams.configuration, command: command.type, actor });
    },
    freezes: (
      command: FreezeCommand,
      actor: Actor,
    ): Promise<Outcome<FreezesState, FreezeRejection, FreezeEvent>> => {
      const outcome = freezes.execute(streams.freezes, command, actor);
      return recorded(outcome, { subject: streams.freezes, command: command.type, actor });
    },
    /** For refusals that happen before a command reaches here, such as missing rights. */
    recordRefusal,
    appendAgentAudit: createAgentAuditAppender(deps),
    pipelineState: (name: string) => pipelines.read(streams.pipeline(name)),
    clusterState: (name: string) => clusters.read(streams.cluster(name)),
    repositoryState: (name: string) => repositories.read(streams.repository(name)),
    configurationState: () => configurations.read(streams.configuration),
    /** With the version of their stream, which decisions on them are guarded by. */
    freezesState: () => freezes.fold(streams.freezes),
    hubState: () => hubs.read(streams.hub),
  };
}

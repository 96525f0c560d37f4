import type { CommitId, PipelineName, StageName } from '@fairlead/shared/ids';
import type { Clock } from '@fairlead/shared/time';
import type { CommandHandler } from '../commands/index.ts';
import type { Actor } from '../decision-log/index.ts';
import type { PipelineDefinition } from '../domain/pipeline/definition.ts';
import {
  type StageRef,
  type StageRefOutcome,
  stageRefName,
  stageRefPushesMax,
} from '../domain/promotion/index.ts';
import { type Git, GitError, isGitError, type RemoteRequest } from '../git/index.ts';
import { stageRefPushesPerLookMax, stageRefTriesMax } from '../limits.ts';

const actor: Actor = { kind: 'hub', name: 'stage-refs' };
const refPrefix = 'refs/heads/fairlead/';

/** What a stage runs by the log, and what is on record of its branch. */
export type WantedRef = {
  readonly pipeline: PipelineName;
  readonly stage: StageName;
  readonly ref: string;
  readonly commit: CommitId;
  readonly recorded: StageRef | undefined;
  /** Of this pipeline: what the branch may hold by the hub's own doing. */
  readonly isRelease: (commit: CommitId) => boolean;
};

/** Of each stage with clusters in which a release has succeeded. */
export async function wantedRefs(
  commands: CommandHandler,
  pipelines: readonly PipelineDefinition[],
): Promise<WantedRef[]> {
  const wanted: WantedRef[] = [];
  for (const { name: pipeline } of pipelines) {
    const state = await commands.pipelineState(pipeline);
    if (state.status !== 'active') continue;
    const isRelease = (found: CommitId) => state.releases.some(({ commit }) => commit === found);
    for (const { name: stage, clusters } of state.definition.stages) {
      const inStage = state.stages.get(stage);
      if (clusters === undefined || inStage?.current === undefined) continue;
      const ref = stageRefName(pipeline, stage);
      const { release: commit } = inStage.current;
      wanted.push({ pipeline, stage, ref, commit, recorded: inStage.ref, isRelease });
    }
  }
  return wanted;
}

/** Whether something is to be done that no look has found out to be impossible. */
export const isDue = ({ commit, recorded }: WantedRef): boolean =>
  recorded?.halted?.commit === commit
    ? recorded.mayOverwrite === recorded.halted.found
    : recorded?.commit !== commit;

export type Brought = {
  /** Why the remote is to be left alone for a while. */
  readonly error?: unknown;
  /** Off when there is more to push than one look does. */
  readonly isWhole: boolean;
};

/** Compares what is wanted with what the remote holds: nothing is believed of an answer to a push but what a listing shows. */
export function createStageRefWriter({
  git,
  commands,
  request,
  directory,
  clock,
}: {
  git: Git;
  commands: CommandHandler;
  request: RemoteRequest;
  directory: string;
  clock: Clock;
}) {
  const list = () => git.listRemoteRefs({ ...request, prefix: refPrefix });
  const record = (wanted: WantedRef, outcome: StageRefOutcome) => {
    const { pipeline, stage, ref, commit } = wanted;
    const of = { type: 'record-stage-ref', stage, ref, commit } as const;
    return commands.pipeline(pipeline, { ...of, outcome, at: clock.now() }, actor);
  };

  /** Whether pushing over it loses nothing: the hub put it there, the branch has it, or a person gave it up. */
  const mayReplace = async ({ commit, recorded, isRelease }: WantedRef, found: CommitId) => {
    if (found === recorded?.commit || found === recorded?.mayOverwrite) return true;
    if (isRelease(found)) return true;
    return !(await git.unreachableFrom(directory, commit, [found])).has(found);
  };

  /** The next thing to do about one ref that holds `found`; `pushed` only when a push was answered well. */
  const bringOne = async (
    wanted: WantedRef,
    found: CommitId | undefined,
  ): Promise<StageRefOutcome | 'as-it-is'> => {
    const { ref, commit, recorded } = wanted;
    if (found === commit) {
      const isSettled = recorded?.commit === commit && !recorded.halted && !recorded.failure;
      return isSettled ? 'as-it-is' : { kind: 'found' };
    }
    if (found !== undefined && !(await mayReplace(wanted, found))) return { kind: 'halted', found };
    // Somebody takes it away again and again: that is no fight for the hub.
    if (recorded?.commit === commit && recorded.times >= stageRefPushesMax) {
      const message =
        'it was deleted or moved at the remote, and is set again with the next release.';
      return { kind: 'failed', message };
    }
    const expected = found === undefined ? {} : { expected: found };
    await git.pushRef({ ...request, directory, ref, commit, ...expected });
    return { kind: 'pushed' };
  };

  /** Another writer, or a lost answer, is told from a refusal by looking again. */
  const bringAgain = async (wanted: WantedRef, first: CommitId | undefined) => {
    let found = first;
    for (let attempt = 1; ; attempt++) {
      try {
        return await bringOne(wanted, found);
      } catch (error) {
        if (!(error instanceof GitError) || isGitError(error, 'aborted')) throw error;
        const now = (await list()).get(wanted.ref);
        const isSame = now === found;
        if (now === wanted.commit) return { kind: 'found' } as const;
        if (isSame || attempt >= stageRefTriesMax) throw error;
        found = now;
      }
    }
  };

  const bring = async (all: readonly WantedRef[]): Promise<Brought> => {
    let remote: ReadonlyMap<string, CommitId>;
    try {
      remote = await list();
    } catch (error) {
      for (const wanted of all.filter(isDue)) await record(wanted, failed(error));
      return { error, isWhole: true };
    }
    let pushes = 0;
    let failure: { error?: unknown } = {};
    for (const wanted of all) {
      if (pushes >= stageRefPushesPerLookMax) return { ...failure, isWhole: false };
      try {
        const outcome = await bringAgain(wanted, remote.get(wanted.ref));
        if (outcome === 'as-it-is') continue;
        if (outcome.kind === 'pushed') pushes++;
        await record(wanted, outcome);
      } catch (error) {
        if (isGitError(error, 'aborted')) return { error, isWhole: true };
        failure = { error };
        await record(wanted, failed(error));
        // A host that is away is away for all of them; a rule may be about one.
        if (!isGitError(error, 'push_refused')) break;
      }
    }
    return { ...failure, isWhole: true };
  };
  return { bring };
}

const failed = (error: unknown): StageRefOutcome => ({
  kind: 'failed',
  message: isGitError(error) ? error.message : 'the hub could not push it: see its own log.',
});

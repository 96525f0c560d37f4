import { setTimeout as pause } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { ReleaseDocument } from '../../http/index.ts';
import { cliWaitPollIntervalMs } from '../../limits.ts';
import { segment } from '../api-client.ts';
import {
  parseCommitArgument,
  parseDurationArgument,
  parseStageReference,
  type StageReference,
} from '../arguments.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { openSession, type Session } from '../session.ts';
import { shortCommit } from '../words.ts';

type WaitOptions = { release: string; for: 'succeeded' | 'failed'; timeout: number };

/** States in which a release stays, unless someone decides anew. */
const finalStates: readonly string[] = ['succeeded', 'failed', 'aborted', 'superseded'];

export function addWaitCommand(program: Command, context: CliContext): void {
  program
    .command('wait')
    .description('wait until a release has succeeded or failed in a stage, for CI')
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .requiredOption('--release <commit>', 'commit id, or 7 or more digits', parseCommitArgument)
    .addOption(
      new Option('--for <state>', 'what to wait for')
        .choices(['succeeded', 'failed'])
        .default('succeeded'),
    )
    .addOption(
      new Option('--timeout <duration>', 'such as 90s or 30m')
        .argParser(parseDurationArgument)
        .default(30 * 60_000, '30m'),
    )
    .addHelpText(
      'after',
      '\nExits with 1 as soon as the release has ended otherwise, and with 5 after the timeout.',
    )
    .action(async (stage: StageReference, options: WaitOptions, command: Command) => {
      await waitForRelease(await openSession(context, command), stage, options);
    });
}

async function waitForRelease(
  session: Session,
  stage: StageReference,
  options: WaitOptions,
): Promise<void> {
  const { context } = session;
  const deadline = context.now() + options.timeout;
  const what = `${shortCommit(options.release)} in ${stage.pipeline}/${stage.stage}`;
  for (;;) {
    const release = await findRelease(session, stage.pipeline, options.release);
    const state = release?.stages.find((entry) => entry.stage === stage.stage)?.state;
    if (state === options.for) {
      session.print(release, () => `${what} has ${state}.`);
      return;
    }
    if (state !== undefined && finalStates.includes(state)) {
      throw new CliError(exitCodes.refused, `${what} is ${state}, not ${options.for}.`);
    }
    if (release?.orphaned && state === undefined) {
      throw new CliError(exitCodes.refused, `${what}: a force-push dropped it from the branch.`);
    }
    if (context.now() >= deadline) {
      const last = release === undefined ? 'not discovered yet' : (state ?? 'not admitted yet');
      throw new CliError(exitCodes.timeout, `${what} has not ${options.for} in time: ${last}.`);
    }
    await pause(cliWaitPollIntervalMs, undefined, { signal: context.signal }).catch(() => {
      throw new CliError(exitCodes.refused, 'Interrupted.');
    });
  }
}

/** The newest pages first; a release that is not there yet may still be discovered. */
async function findRelease(
  { api }: Session,
  pipeline: string,
  commit: string,
): Promise<ReleaseDocument | undefined> {
  const path = `/pipelines/${segment(pipeline)}/releases`;
  for await (const release of api.items<ReleaseDocument>(path)) {
    if (release.commit.startsWith(commit)) return release;
  }
  return undefined;
}

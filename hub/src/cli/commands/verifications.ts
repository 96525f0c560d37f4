import type { Command } from 'commander';
import type { VerificationLogDocument, VerificationRunDocument } from '../../http/index.ts';
import { segment } from '../api-client.ts';
import {
  type PipelineReference,
  parseCommitArgument,
  parsePipelineOrStage,
  parseStageReference,
  type StageReference,
} from '../arguments.ts';
import type { CliContext } from '../context.ts';
import type { TableContent } from '../output.ts';
import { openSession } from '../session.ts';
import { relativeTime, shortCommit } from '../words.ts';
import { stagePath } from './stages.ts';

type VerifyOptions = { name?: string; release?: string };
type ListOptions = { release?: string };

export function addVerificationCommands(program: Command, context: CliContext): void {
  program
    .command('verify')
    .description('run the verifications and metrics of a stage again; the newest run counts')
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .option('--name <name>', 'this one only')
    .option('--release <commit>', 'with this release', parseCommitArgument)
    .action(async (stage: StageReference, options: VerifyOptions, command: Command) => {
      const session = await openSession(context, command);
      const { name, release } = options;
      const change = await session.api.send('POST', `${stagePath(stage)}:verify`, {
        ...(name === undefined ? {} : { name }),
        ...(release === undefined ? {} : { release }),
      });
      const what = name ?? 'What the stage asks for';
      session.print(change, () => `${what} runs for ${stage.pipeline}/${stage.stage}.`);
    });

  const verification = program
    .command('verification')
    .description('runs of Jobs that verify releases');
  verification
    .command('list')
    .description('list the runs of a pipeline or of a stage, newest first')
    .argument('<pipeline[/stage]>', 'whose', parsePipelineOrStage)
    .option('--release <commit>', 'with this release only', parseCommitArgument)
    .action(async (of: PipelineReference, { release }: ListOptions, command: Command) => {
      const session = await openSession(context, command);
      const path = `/pipelines/${segment(of.pipeline)}/verifications`;
      const { stage } = of;
      const items = session.api.items<VerificationRunDocument>(path, { stage, release });
      await session.printItems(items, (runs) => runsTable(runs, session.now));
    });
  verification
    .command('logs')
    .description('print how a run ended, and the end of what its containers wrote')
    .argument('<run>', 'id of the run')
    .action(async (run: string, _: unknown, command: Command) => {
      const session = await openSession(context, command);
      const path = `/verifications/${segment(run)}`;
      const document = await session.api.get<VerificationLogDocument>(path);
      session.print(document, () => logText(document));
    });
}

function runsTable(runs: readonly VerificationRunDocument[], now: number): TableContent {
  return {
    columns: ['run', 'stage', 'name', 'release', 'cluster', 'started', 'outcome', 'message'],
    rows: runs.map((run) => [
      run.id,
      `${run.pipeline}/${run.stage}`,
      run.name,
      shortCommit(run.release),
      run.cluster,
      relativeTime(run.startedAt, now),
      run.outcome ?? 'running',
      run.message ?? '',
    ]),
    empty: 'No verification has run.',
  };
}

function logText(run: VerificationLogDocument): string {
  const { name, cluster, outcome, message, log, logTruncated } = run;
  const said = message === undefined || message === '' ? '' : `: ${message}`;
  const head = `${name} of ${shortCommit(run.release)} in ${cluster}: ${outcome ?? 'running'}${said}`;
  const cut = logTruncated ? '(the beginning is not kept)\n' : '';
  const lines = log === undefined ? '(no result yet)' : log === '' ? '(no log)' : printable(log);
  return `${head}\n${cut}${lines}`;
}

/** Containers write what they like; a terminal must not do what they say. */
const printable = (text: string): string => text.replace(/[^\P{Cc}\n\t]|\p{Cf}/gu, '').trimEnd();

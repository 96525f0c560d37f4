import { type Command, Option } from 'commander';
import type { ChangeDocument, DeclaredFreezeDocument, FreezeDocument } from '../../http/index.ts';
import { segment } from '../api-client.ts';
import { parseDurationArgument, parsePipelineOrStage, parseTimeArgument } from '../arguments.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import type { TableContent } from '../output.ts';
import { openSession } from '../session.ts';
import { relativeTime } from '../words.ts';

type FreezeOptions = {
  project?: string;
  reason: string;
  from?: string;
  until?: string;
  for?: number;
  running: 'drain' | 'stop';
};
type Subject = ReturnType<typeof parsePipelineOrStage>;

export function addFreezeCommands(program: Command, context: CliContext): void {
  program
    .command('freeze')
    .description('assign nothing in a stage, a pipeline, a project, or on the whole hub')
    .argument(
      '[pipeline/stage]',
      'what to freeze; without it and --project, all',
      parsePipelineOrStage,
    )
    .option('--project <name>', 'every pipeline of a project')
    .requiredOption('--reason <text>', 'why, for everybody who waits')
    .option('--from <time>', 'when it begins, in ISO 8601; at once', parseTimeArgument)
    .option('--until <time>', 'when it ends, in ISO 8601; when it is lifted', parseTimeArgument)
    .option('--for <duration>', 'how long it lasts, such as 2h', parseDurationArgument)
    .addOption(
      new Option(
        '--running <policy>',
        'what a rollout does that runs: drain settles what is assigned',
      )
        .choices(['drain', 'stop'])
        .default('drain'),
    )
    .action(async (subject: Subject | undefined, options: FreezeOptions, command: Command) => {
      const { project, reason, running, from } = options;
      if (subject !== undefined && project !== undefined) {
        throw new CliError(exitCodes.usage, 'Name a pipeline or a project, not both.');
      }
      const session = await openSession(context, command);
      const until = endOf(options, session.now);
      const declared = await session.api.send<DeclaredFreezeDocument>('POST', '/freezes', {
        ...subject,
        ...(project === undefined ? {} : { project }),
        reason,
        running,
        ...(from === undefined ? {} : { from }),
        ...(until === undefined ? {} : { until }),
      });
      const what = subject
        ? [subject.pipeline, subject.stage].filter(Boolean).join('/')
        : project === undefined
          ? 'The whole hub'
          : `Project ${project}`;
      session.print(
        declared,
        () =>
          `${what} is frozen${until === undefined ? '' : ` until ${until}`}. ` +
          `\`fairlead unfreeze ${declared.id}\` lifts it.`,
      );
    });
  program
    .command('unfreeze')
    .description('lift a freeze')
    .argument('<id>', 'as `fairlead get freezes` shows it')
    .option('--reason <text>', 'why, for the audit log', '')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const session = await openSession(context, command);
      const path = `/freezes/${segment(id)}:lift`;
      const change = await session.api.send<ChangeDocument>('POST', path, { reason });
      session.print(change, () => `${id} is lifted: what waited goes on.`);
    });
}

function endOf({ until, for: durationMs, from }: FreezeOptions, now: number): string | undefined {
  if (durationMs === undefined) return until;
  if (until !== undefined) {
    throw new CliError(exitCodes.usage, 'Give --until or --for, not both.');
  }
  return new Date((from === undefined ? now : Date.parse(from)) + durationMs).toISOString();
}

export const freezeEnd = ({ until }: Pick<FreezeDocument, 'until'>, now: number): string =>
  until === undefined ? 'when it is lifted' : relativeTime(until, now);

export function freezesTable(freezes: readonly FreezeDocument[], now: number): TableContent {
  return {
    columns: ['id', 'frozen', 'state', 'ends', 'running', 'by', 'reason'],
    rows: freezes.map((freeze) => [
      freeze.id,
      freeze.covers,
      freeze.state === 'planned' ? `begins ${relativeTime(freeze.from, now)}` : 'in force',
      freezeEnd(freeze, now),
      freeze.running,
      freeze.by,
      freeze.reason,
    ]),
    empty: 'Nothing is frozen. Declare a freeze with `fairlead freeze --reason TEXT`.',
  };
}

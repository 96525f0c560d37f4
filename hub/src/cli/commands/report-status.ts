import { type Command, Option } from 'commander';
import type { ChangeDocument } from '../../http/index.ts';
import { segment } from '../api-client.ts';
import { parseFullCommitArgument } from '../arguments.ts';
import type { CliContext } from '../context.ts';
import { openSession } from '../session.ts';
import { shortCommit } from '../words.ts';

type StatusOptions = { name: string; state: string; description: string; link?: string };

export function addReportStatusCommand(program: Command, context: CliContext): void {
  program
    .command('report-status')
    .description('say how a check of a commit went, for stages that ask for its status')
    .argument('<repository>')
    .argument('<commit>', 'full commit id', parseFullCommitArgument)
    .requiredOption('--name <name>', 'of the status, as `gates.statuses` names it')
    .addOption(
      new Option('--state <state>', 'how it went')
        .choices(['pending', 'success', 'failure'])
        .makeOptionMandatory(),
    )
    .option('--description <text>', 'shown where the stage waits for it', '')
    .option('--link <url>', 'where the details are')
    .action(
      async (repository: string, commit: string, options: StatusOptions, command: Command) => {
        const session = await openSession(context, command);
        const { name, state, description, link: url } = options;
        const path = `/repositories/${segment(repository)}/statuses`;
        const body = { commit, name, state, description, ...(url === undefined ? {} : { url }) };
        const change = await session.api.send<ChangeDocument>('POST', path, body);
        session.print(change, () =>
          change.events.length === 0
            ? `${name} of ${shortCommit(commit)} was ${state} already.`
            : `${name} of ${shortCommit(commit)} is ${state}.`,
        );
      },
    );
}

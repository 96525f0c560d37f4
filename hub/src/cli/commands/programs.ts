import type { Command } from 'commander';
import type { AcceptedRestoreDocument } from '../../http/index.ts';
import type { CliContext } from '../context.ts';
import { openSession } from '../session.ts';

export function addProgramCommands(program: Command, context: CliContext): void {
  const hub = program
    .command('hub')
    .description('run the hub; it is configured by FAIRLEAD_* variables')
    .action(() => context.becomeProgram('hub'));
  hub
    .command('accept-restore')
    .description(
      'after a restore: let what the hub knows count though agents hold newer assignments',
    )
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action(async ({ reason }: { reason: string }, command: Command) => {
      const session = await openSession(context, command);
      const path = '/hub:accept-restore';
      const accepted = await session.api.send<AcceptedRestoreDocument>('POST', path, { reason });
      session.print(accepted, () => acceptedText(accepted.epoch));
    });
  program
    .command('agent')
    .description("run a cluster's agent; it is configured by FAIRLEAD_* variables")
    .action(() => context.becomeProgram('agent'));
}

/** Agents believe their own cluster only: a hub that fell into wrong hands must not lead them back. */
const acceptedText = (epoch: number): string =>
  [
    `The epoch of the hub is ${epoch}. Each agent refuses it until its own cluster says so:`,
    `  kubectl -n fairlead-system set env statefulset/fairlead-agent FAIRLEAD_ACCEPTED_EPOCH=${epoch}`,
  ].join('\n');

import type { Command } from 'commander';
import { createApiClient } from '../api-client.ts';
import { CliError } from '../cli-error.ts';
import { configPath, resolveConnection, writeConfig } from '../connection.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import type { GlobalOptions } from '../session.ts';

export function addLoginCommand(program: Command, context: CliContext): void {
  program
    .command('login')
    .description('check an address and a token, and keep them for later commands')
    .option('--token-stdin', 'read the token from standard input')
    .action(async (options: { tokenStdin?: boolean }, command: Command) => {
      const given = command.optsWithGlobals<GlobalOptions>();
      const token = options.tokenStdin ? (await context.readInput()).trim() : given.token;
      const connection = await resolveConnection(context, { url: given.url, token });
      if (!connection.token) {
        throw new CliError(
          exitCodes.usage,
          'No token was given: use --token-stdin, --token or FAIRLEAD_TOKEN. The hub prints one at its first start.',
        );
      }
      await createApiClient(connection, context.signal).get('/status', { limit: 1 });
      const path = configPath(context);
      await writeConfig(path, connection);
      context.write(`Logged in to ${connection.url}; kept in ${path}.\n`);
    });
}

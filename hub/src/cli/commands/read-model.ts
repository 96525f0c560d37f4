import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';

export function addReadModelCommands(program: Command, context: CliContext): void {
  const readModel = program
    .command('read-model')
    .description('look after the read model of a hub on this machine');
  readModel
    .command('rebuild')
    .description('delete the read model of a stopped hub, which makes it anew from the log')
    .option('--data-dir <folder>', "the hub's folder (FAIRLEAD_DATA_DIR)")
    .action(async ({ dataDir }: { dataDir?: string }) => {
      const { readHubConfig } = await import('../../config/index.ts');
      const given = dataDir ?? context.environment.FAIRLEAD_DATA_DIR;
      const { logPath, readModelPath } = readHubConfig({ FAIRLEAD_DATA_DIR: given });
      // Without the log there is nothing to make it from: it is not a hub's folder, or the log is elsewhere.
      if (!existsSync(logPath)) {
        throw new CliError(
          exitCodes.notFound,
          `${join(logPath)} is missing, so nothing was deleted: name the hub's folder with --data-dir.`,
        );
      }
      for (const suffix of ['', '-wal', '-shm']) {
        await rm(`${readModelPath}${suffix}`, { force: true });
      }
      context.write(`${readModelPath} is deleted; the hub makes it anew when it starts.\n`);
    });
}

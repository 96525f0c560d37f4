import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { AuditEntryDocument } from '../../http/index.ts';
import { cliReconnectDelayMs } from '../../limits.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { openSession, type Session } from '../session.ts';
import { oneLine, shortCommit } from '../words.ts';
import { actorOf, messageOf, subjectOf } from './audit.ts';

type EventsOptions = { follow?: boolean; after?: string; pipeline?: string; cluster?: string };

export function addEventsCommand(program: Command, context: CliContext): void {
  program
    .command('events')
    .description('print the newest decisions, oldest first; with --follow also those to come')
    .option('-F, --follow', 'go on until interrupted, over restarts of the hub')
    .option('--after <position>', 'with --follow: begin after this entry of the log')
    .option('--pipeline <name>', 'of this pipeline')
    .option('--cluster <name>', 'of this cluster')
    .action(async (options: EventsOptions, command: Command) => {
      const session = await openSession(context, command);
      if (options.follow) await follow(session, options);
      else await printNewest(session, options);
    });
}

const newestShown = 20;

async function printNewest(session: Session, { pipeline, cluster }: EventsOptions): Promise<void> {
  const query = { limit: newestShown, order: 'newest', pipeline, cluster };
  const page = await session.api.get<{ items: AuditEntryDocument[] }>('/audit', query);
  for (const entry of page.items.toReversed()) printEntry(session, entry);
}

/** A cut connection is made again after the last entry that came, so that none is missed or comes twice. */
async function follow(session: Session, options: EventsOptions): Promise<void> {
  const { api, context } = session;
  const { pipeline, cluster } = options;
  let last = options.after;
  let connected = false;
  while (!context.signal.aborted) {
    try {
      for await (const event of api.events('/events', { pipeline, cluster }, last)) {
        connected = true;
        last = event.id ?? last;
        if (event.data !== '') printEntry(session, JSON.parse(event.data));
      }
    } catch (error) {
      if (context.signal.aborted) return;
      const transient = error instanceof CliError && error.exitCode === exitCodes.unreachable;
      if (!transient || !connected) throw error;
    }
    await pause(cliReconnectDelayMs, undefined, { signal: context.signal }).catch(() => {});
  }
}

function printEntry({ context, output }: Session, entry: AuditEntryDocument): void {
  if (output !== 'table') {
    context.write(`${JSON.stringify(entry)}\n`);
    return;
  }
  const parts = [entry.type, subjectOf(entry), shortCommit(entry.commit), messageOf(entry)];
  const text = parts.filter((part) => part !== '').join('  ');
  context.write(`${entry.at}  ${oneLine(`${text}  by ${actorOf(entry)}`)}\n`);
}

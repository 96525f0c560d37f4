import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Command } from 'commander';
import type {
  AuditEntryDocument,
  DifferenceDocument,
  VerificationDocument,
} from '../../http/index.ts';
import { cliPageItems } from '../../limits.ts';
import { parsePositiveInteger } from '../arguments.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { type OutputFormat, print, type TableContent } from '../output.ts';
import { openSession } from '../session.ts';
import { differenceText, shortCommit } from '../words.ts';

type FilterOptions = {
  pipeline?: string;
  stage?: string;
  cluster?: string;
  type?: string;
  limit?: number;
};

export function addAuditCommands(program: Command, context: CliContext): void {
  const audit = program.command('audit').description('read and verify the decision log');
  withFilters(audit.command('list'))
    .description('list entries, the newest first')
    .option('--limit <number>', 'how many', parsePositiveInteger, 50)
    .action(async (options: FilterOptions, command: Command) => {
      const session = await openSession(context, command);
      const { limit = 50, ...filter } = pickFilters(options);
      const query = { ...filter, order: 'newest', limit: Math.min(limit, cliPageItems) };
      const items = take(session.api.items<AuditEntryDocument>('/audit', query), limit);
      await session.printItems(items, auditTable);
    });
  withFilters(audit.command('export'))
    .description('write all entries as JSON lines')
    .option('--file <path>', 'file to write (default: standard output)')
    .action(async (options: FilterOptions & { file?: string }, command: Command) => {
      const session = await openSession(context, command);
      const query = { ...pickFilters(options), order: 'oldest' };
      const items = session.api.items<AuditEntryDocument>('/audit', query);
      await exportEntries(context, items, options.file);
    });
  audit
    .command('verify')
    .description('walk the hash chain and name the first entry that does not fit')
    .option('--database <file>', 'a decision log on this machine, without the hub')
    .action(async ({ database }: { database?: string }, command: Command) => {
      const { output } = command.optsWithGlobals<{ output: OutputFormat }>();
      const verification =
        database === undefined
          ? await (await openSession(context, command)).api.get<VerificationDocument>(
              '/audit/verify',
            )
          : await verifyOffline(database);
      const text = verificationText(verification);
      if (verification.valid) return print(context, output, { document: verification, text });
      if (output !== 'table') print(context, output, { document: verification, text });
      throw new CliError(exitCodes.refused, text());
    });
}

const withFilters = (command: Command): Command =>
  command
    .option('--pipeline <name>', 'of this pipeline')
    .option('--stage <name>', 'of this stage')
    .option('--cluster <name>', 'of this cluster')
    .option('--type <name>', 'events of this type, such as ReleaseAdmitted');

const pickFilters = ({ pipeline, stage, cluster, type, limit }: FilterOptions) => ({
  pipeline,
  stage,
  cluster,
  type,
  limit,
});

async function* take<Item>(items: AsyncIterable<Item>, limit: number): AsyncGenerator<Item> {
  let count = 0;
  for await (const item of items) {
    yield item;
    if (++count >= limit) return;
  }
}

function auditTable(entries: readonly AuditEntryDocument[]): TableContent {
  return {
    columns: ['position', 'time', 'event', 'subject', 'commit', 'by', 'message'],
    rows: entries.map((entry) => [
      String(entry.position),
      entry.at,
      entry.type,
      subjectOf(entry),
      shortCommit(entry.commit),
      actorOf(entry),
      messageOf(entry),
    ]),
    empty: 'No entries.',
  };
}

export const subjectOf = ({ pipeline, stage, cluster, stream }: AuditEntryDocument): string =>
  pipeline === undefined
    ? stream
    : [[pipeline, stage].filter(Boolean).join('/'), cluster].filter(Boolean).join(' in ');

/** What an event says in words, where it does; drift with the fields that it is of. */
export function messageOf({ event }: AuditEntryDocument): string {
  const { message, reason, detail, details } = event as Record<string, unknown>;
  const text = message ?? reason ?? detail;
  if (typeof text !== 'string') return '';
  const fields = differencesOf(details).map(differenceText);
  return fields.length === 0 ? text : `${text} (${fields.join('; ')})`;
}

const fieldsShownMax = 5;

/** Details are as an agent recorded them, which may be of any version. */
function differencesOf(details: unknown): DifferenceDocument[] {
  const { differences } = (details ?? {}) as { differences?: unknown };
  if (!Array.isArray(differences)) return [];
  return differences
    .filter((difference): difference is DifferenceDocument => typeof difference?.path === 'string')
    .slice(0, fieldsShownMax);
}

export const actorOf = ({ actor }: AuditEntryDocument): string => `${actor.kind} ${actor.name}`;

const verificationText = (verification: VerificationDocument) => (): string =>
  verification.valid
    ? `The log is whole up to entry ${verification.position}${verification.hash ? ` (${verification.hash})` : ''}.`
    : `The log is broken at entry ${verification.position}: ${verification.reason}`;

async function exportEntries(
  context: CliContext,
  entries: AsyncIterable<AuditEntryDocument>,
  path: string | undefined,
): Promise<void> {
  if (path === undefined) {
    for await (const entry of entries) context.write(`${JSON.stringify(entry)}\n`);
    return;
  }
  await using file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw new CliError(exitCodes.usage, `${path} cannot be made: it may exist already.`, error);
  });
  let count = 0;
  for await (const entry of entries) {
    await file.write(`${JSON.stringify(entry)}\n`);
    count++;
  }
  await file.sync();
  context.writeError(`${count} entries are in ${path}.\n`);
}

async function verifyOffline(path: string): Promise<VerificationDocument> {
  if (!existsSync(path)) throw new CliError(exitCodes.notFound, `There is no file ${path}.`);
  const { openSqliteDecisionLog } = await import('../../decision-log/index.ts');
  const log = await openSqliteDecisionLog({ path, verifyOnOpen: false }).catch((error: Error) => {
    throw new CliError(exitCodes.refused, `${path} is not a decision log: ${error.message}`, error);
  });
  try {
    return await log.verify();
  } finally {
    await log.close();
  }
}

import { type Command, Option } from 'commander';
import type { ChangeDocument, IssuedTokenDocument, TokenDocument } from '../../http/index.ts';
import { segment } from '../api-client.ts';
import { collectText } from '../arguments.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { openSession } from '../session.ts';
import { relativeTime } from '../words.ts';

type CreateOptions = {
  role: string;
  subject?: string;
  group?: string[];
  email?: string[];
  permission?: string[];
};

export function addTokenCommands(program: Command, context: CliContext): void {
  const token = program.command('token').description('issue, list and revoke access tokens');
  token
    .command('create')
    .description('issue a token for a person or a program, and print it this once')
    .argument('<name>', 'of the token')
    .addOption(
      new Option('--role <role>', 'a viewer reads, and does what its permissions say')
        .choices(['viewer', 'admin'])
        .default('viewer'),
    )
    .option('--subject <name>', 'whose it is: all tokens of one subject are one person')
    .option('--group <name>', 'that the person is in (repeatable)', collectText)
    .option('--email <address>', 'as commits name the person (repeatable)', collectText)
    .option('--permission <name>', 'what it allows besides reading (repeatable)', collectText)
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const session = await openSession(context, command);
      const { role, subject, group, email, permission } = options;
      const issued = await session.api.send<IssuedTokenDocument>('POST', '/tokens', {
        name,
        role,
        ...(subject === undefined ? {} : { subject }),
        groups: group ?? [],
        emails: email ?? [],
        permissions: permission ?? [],
      });
      session.print(issued, () => issued.token);
      context.writeError(`The token ${name} is shown this once.\n`);
    });
  token
    .command('list')
    .description('list the good tokens: whose they are, and what they allow')
    .action(async (_options: object, command: Command) => {
      const session = await openSession(context, command);
      const items = session.api.items<TokenDocument>('/tokens');
      await session.printItems(good(items), (tokens) => ({
        columns: ['name', 'subject', 'groups', 'emails', 'allows', 'issued'],
        rows: tokens.map((one) => [
          one.name,
          one.subject ?? one.name,
          one.groups.join(', '),
          one.emails.join(', '),
          one.role === 'admin' ? 'everything' : ['read', ...one.permissions].join(', '),
          relativeTime(one.issuedAt, session.now),
        ]),
        empty: 'No tokens.',
      }));
    });
  token
    .command('revoke')
    .description('end a token: whoever has it is nobody from then on')
    .argument('<name>', 'of the token')
    .action(async (name: string, _options: object, command: Command) => {
      const session = await openSession(context, command);
      for await (const { id, ...one } of good(session.api.items<TokenDocument>('/tokens'))) {
        if (one.name !== name) continue;
        const path = `/tokens/${segment(id)}`;
        const change = await session.api.remove<ChangeDocument>(path, {});
        session.print(change, () => `The token ${name} is revoked.`);
        return;
      }
      throw new CliError(exitCodes.notFound, `No good token is named "${name}".`);
    });
}

async function* good(tokens: AsyncIterable<TokenDocument>): AsyncGenerator<TokenDocument> {
  for await (const token of tokens) if (token.revokedAt === undefined) yield token;
}

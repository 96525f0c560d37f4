import { type Command, Option } from 'commander';
import type { ApprovalDocument } from '../../http/index.ts';
import { parseCommitArgument, parseStageReference, type StageReference } from '../arguments.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import type { TableContent } from '../output.ts';
import { openSession, type Session } from '../session.ts';
import { relativeTime, shortCommit } from '../words.ts';
import { stagePath } from './stages.ts';

type VoteOptions = { request?: string; comment?: string; reason?: string };

const requestOption = () =>
  new Option('--request <id>', 'the request that you have looked at; another one is refused');
const releaseArgument = [
  '[release]',
  'commit id, or 7 or more digits of it; without it, what waits for votes',
] as const;

export function addApprovalCommands(program: Command, context: CliContext): void {
  program
    .command('approve')
    .description('approve one release for a stage')
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .argument(...releaseArgument, parseCommitArgument)
    .addOption(requestOption())
    .option('--comment <text>', 'kept with the approval', '')
    .action(async (stage: StageReference, release, options: VoteOptions, command: Command) => {
      const session = await openSession(context, command);
      const about = await askedAbout(session, { stage, release, request: options.request });
      const body = { ...about, comment: options.comment };
      const change = await session.api.send('POST', `${stagePath(stage)}:approve`, body);
      session.print(change, () => `${shortCommit(about.release)} is approved for ${where(stage)}.`);
    });
  program
    .command('reject')
    .description('end the request for approvals of one release: it does not enter the stage')
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .argument(...releaseArgument, parseCommitArgument)
    .addOption(requestOption())
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action(async (stage: StageReference, release, options: VoteOptions, command: Command) => {
      const session = await openSession(context, command);
      const about = await askedAbout(session, { stage, release, request: options.request });
      const body = { ...about, reason: options.reason };
      const change = await session.api.send('POST', `${stagePath(stage)}:reject`, body);
      session.print(change, () => `${shortCommit(about.release)} is rejected for ${where(stage)}.`);
    });
  program
    .command('withdraw-approval')
    .description('take your approval back, as long as the release was not admitted')
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .argument(...releaseArgument, parseCommitArgument)
    .action(async (stage: StageReference, release, _options: object, command: Command) => {
      const session = await openSession(context, command);
      const about = await askedAbout(session, { stage, release, request: undefined });
      const path = `${stagePath(stage)}:withdraw-approval`;
      const change = await session.api.send('POST', path, { release: about.release });
      session.print(change, () => `Your approval of ${shortCommit(about.release)} is withdrawn.`);
    });
}

const where = ({ pipeline, stage }: StageReference): string => `${pipeline}/${stage}`;

/** The one release and request that a word is about. What waits is looked up and said, never guessed among several. */
async function askedAbout(
  { api, context, now }: Session,
  named: { stage: StageReference; release: string | undefined; request: string | undefined },
): Promise<{ release: string; requestId?: string }> {
  const { stage, release, request } = named;
  if (release !== undefined && request !== undefined) return { release, requestId: request };
  const open: ApprovalDocument[] = [];
  for await (const one of api.items<ApprovalDocument>('/approvals', { ...stage, release })) {
    if (request === undefined || one.id === request) open.push(one);
  }
  const [only, another] = open;
  if (only === undefined) {
    // A release may be approved before the hub asks for it.
    if (release !== undefined) return { release };
    const detail = request === undefined ? 'Nothing' : `No open request ${request}`;
    throw new CliError(exitCodes.notFound, `${detail} waits for votes in ${where(stage)}.`);
  }
  if (another !== undefined) {
    throw new CliError(
      exitCodes.usage,
      `Several releases wait for votes in ${where(stage)}: name one of ` +
        `${open.map((one) => shortCommit(one.release)).join(', ')}.`,
    );
  }
  context.writeError(`${requestText(only, now)}\n`);
  return { release: only.release, requestId: only.id };
}

const requestText = (approval: ApprovalDocument, now: number): string =>
  `Request ${approval.id}: ${shortCommit(approval.release)} for ${approval.pipeline}/${approval.stage}, ` +
  `asked ${relativeTime(approval.requestedAt, now)}, ${votesText(approval)}.`;

const votesText = ({ votes, required }: ApprovalDocument): string =>
  `${votes.length} of ${required} approvals`;

export function approvalsTable(approvals: readonly ApprovalDocument[], now: number): TableContent {
  return {
    columns: ['stage', 'release', 'approvals', 'by', 'voters', 'asked', 'expires', 'request'],
    rows: approvals.map((approval) => [
      `${approval.pipeline}/${approval.stage}`,
      shortCommit(approval.release),
      `${approval.votes.length} of ${approval.required}`,
      approval.votes.map(({ subject }) => subject).join(', '),
      [...new Set([...approval.from, ...approval.including])].join(', ') || 'everybody who may',
      relativeTime(approval.requestedAt, now),
      approval.expiresAt === undefined ? 'never' : relativeTime(approval.expiresAt, now),
      approval.id,
    ]),
    empty: 'Nothing waits for approvals.',
  };
}

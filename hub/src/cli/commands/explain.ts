import type { Command } from 'commander';
import type { ExplanationDocument } from '../../http/index.ts';
import { parseCommitArgument, parseStageReference, type StageReference } from '../arguments.ts';
import type { CliContext } from '../context.ts';
import { renderTable } from '../output.ts';
import { openSession } from '../session.ts';
import { relativeTime, shortCommit } from '../words.ts';
import { stagePath } from './stages.ts';

export function addExplainCommand(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description('say why a stage has or does not have a release, and what clears each gate')
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .argument('[release]', 'commit id, or 7 or more digits of it', parseCommitArgument)
    .action(
      async (
        stage: StageReference,
        release: string | undefined,
        _options: object,
        command: Command,
      ) => {
        const session = await openSession(context, command);
        const path = `${stagePath(stage)}/explain`;
        const explanation = await session.api.get<ExplanationDocument>(path, { release });
        session.print(explanation, () => explanationText(explanation, session.now));
      },
    );
}

function explanationText(explanation: ExplanationDocument, now: number): string {
  const { pipeline, stage, release, summary, gates } = explanation;
  const subject = `${pipeline}/${stage}${release ? `, release ${shortCommit(release)}` : ''}`;
  const configuration = explanation.configuration ? `\n\n${explanation.configuration}` : '';
  const blockers = explanation.targets
    .map(({ blocker }) => blocker)
    .filter((blocker) => blocker !== undefined)
    .map((blocker) => `\n- ${blocker}`);
  if (gates.length === 0) return `${subject}: ${summary}${blockers.join('')}${configuration}`;
  const table = renderTable({
    columns: ['gate', 'passed', 'detail', 'clears'],
    rows: gates.map(({ gate, passed, detail, clearsAt, bypassed }) => [
      gate,
      passed ? 'yes' : bypassed ? 'bypassed' : 'no',
      bypassed ? `${detail} Passed without it by ${bypassed.by}: ${bypassed.reason}` : detail,
      clearsAt === undefined ? '' : relativeTime(clearsAt, now),
    ]),
    empty: '',
  });
  return `${subject}: ${summary}\n\n${table}${blockers.join('')}${configuration}`;
}

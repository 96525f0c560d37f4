import type { Command } from 'commander';
import type { DriftDocument } from '../../http/index.ts';
import { parseStageReference, type StageReference } from '../arguments.ts';
import type { CliContext } from '../context.ts';
import type { TableContent } from '../output.ts';
import { openSession } from '../session.ts';
import { differenceText, objectText, relativeTime } from '../words.ts';

type DriftOptions = { cluster?: string };

export function addDriftCommand(program: Command, context: CliContext): void {
  program
    .command('drift')
    .description(
      'list objects that are not as their commit wants them and are not repaired at once',
    )
    .argument('[pipeline/stage]', 'of this stage only', parseStageReference)
    .option('--cluster <name>', 'of this cluster only')
    .action(
      async (stage: StageReference | undefined, { cluster }: DriftOptions, command: Command) => {
        const session = await openSession(context, command);
        const items = session.api.items<DriftDocument>('/drift', { ...stage, cluster });
        await session.printItems(items, (drifts) => driftTable(drifts, session.now));
      },
    );
}

/** A line for each field; what is said of the object stands on its first. */
function driftTable(drifts: readonly DriftDocument[], now: number): TableContent {
  return {
    columns: ['stage', 'cluster', 'object', 'state', 'by', 'reported', 'field'],
    rows: drifts.flatMap((drift) => {
      const { differences, differencesTotal } = drift;
      const more = differencesTotal - differences.length;
      const fields = differences.map(differenceText);
      if (more > 0) fields.push(`and ${more} more`);
      if (fields.length === 0) fields.push('');
      const first = [
        `${drift.pipeline}/${drift.stage}`,
        drift.cluster,
        objectText(drift.object),
        drift.state === 'fight' ? `${drift.change}, fought over` : drift.change,
        drift.managers.join(', '),
        relativeTime(drift.receivedAt, now),
      ];
      return fields.map((field, index) => [...(index === 0 ? first : first.map(() => '')), field]);
    }),
    empty: 'No drift: what is seen is repaired at once.',
  };
}

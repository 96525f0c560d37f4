import Table from 'cli-table3';
import { stringify } from 'yaml';
import type { CliContext } from './context.ts';
import { oneLine } from './words.ts';

export const outputFormats = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];

export type TableContent = {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Printed instead of a table without rows. */
  readonly empty: string;
};

/** Prints a document as it came from the hub, or its text for people. */
export function print(
  context: CliContext,
  format: OutputFormat,
  { document, text }: { document: unknown; text: () => string },
): void {
  context.write(formatDocument(format, document) ?? withNewline(text()));
}

export function formatDocument(format: OutputFormat, document: unknown): string | undefined {
  if (format === 'json') return `${JSON.stringify(document ?? null, null, 2)}\n`;
  if (format === 'yaml') return stringify(document ?? null);
  return undefined;
}

const withNewline = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`);

const noBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Columns without lines between them, so that rows can be cut and searched; the last one is not padded. */
export function renderTable({ columns, rows, empty }: TableContent): string {
  if (rows.length === 0) return empty;
  const table = new Table({
    head: columns.map((column) => column.toUpperCase()),
    chars: noBorders,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  table.push(...rows.map((row) => row.map(oneLine)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

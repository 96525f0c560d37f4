import type { Command } from 'commander';
import { type ApiClient, createApiClient } from './api-client.ts';
import { resolveConnection } from './connection.ts';
import type { CliContext } from './context.ts';
import { type OutputFormat, print, renderTable, type TableContent } from './output.ts';

export type GlobalOptions = {
  readonly url?: string;
  readonly token?: string;
  readonly output: OutputFormat;
};

/** What a verb of the API works with: the hub, and the place to print. */
export type Session = {
  readonly api: ApiClient;
  readonly context: CliContext;
  readonly output: OutputFormat;
  readonly now: number;
  /** Prints a document, or a text for people. */
  readonly print: (document: unknown, text: () => string) => void;
  readonly printTable: (document: unknown, content: () => TableContent) => void;
  /** Prints a list page by page; machine formats get one array. */
  readonly printItems: <Item>(
    items: AsyncIterable<Item>,
    content: (items: readonly Item[]) => TableContent,
  ) => Promise<void>;
};

export async function openSession(context: CliContext, command: Command): Promise<Session> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const api = createApiClient(await resolveConnection(context, options), context.signal);
  const { output } = options;
  const printTable: Session['printTable'] = (document, content) =>
    print(context, output, { document, text: () => renderTable(content()) });
  return {
    api,
    context,
    output,
    now: context.now(),
    print: (document, text) => print(context, output, { document, text }),
    printTable,
    printItems: async <Item>(
      items: AsyncIterable<Item>,
      content: (items: readonly Item[]) => TableContent,
    ) => {
      const all: Item[] = [];
      for await (const item of items) all.push(item);
      printTable(all, () => content(all));
    },
  };
}

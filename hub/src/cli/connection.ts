import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { CliError } from './cli-error.ts';
import type { CliContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';

export type Connection = { readonly url: string; readonly token: string | undefined };
export type ConnectionOptions = { readonly url?: string; readonly token?: string };

export const defaultUrl = 'http://127.0.0.1:9080';

const fileSchema = z.object({ url: z.string().optional(), token: z.string().optional() });

export function configPath({ environment }: CliContext): string {
  const base = environment.XDG_CONFIG_HOME ?? join(environment.HOME ?? '.', '.config');
  return join(base, 'fairlead', 'config.yaml');
}

/**
 * An option goes before the environment, that before the file of `fairlead login`. The file's token is for the file's
 * address alone: another address never gets it.
 */
export async function resolveConnection(
  context: CliContext,
  options: ConnectionOptions,
): Promise<Connection> {
  const { environment } = context;
  const file = await readConfig(configPath(context));
  const url = normalise(
    options.url ?? (environment.FAIRLEAD_URL || undefined) ?? file.url ?? defaultUrl,
  );
  const fileToken = file.url !== undefined && normalise(file.url) === url ? file.token : undefined;
  return {
    url,
    token: options.token ?? (environment.FAIRLEAD_TOKEN || undefined) ?? fileToken,
  };
}

function normalise(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed && (parsed.protocol === 'http:' || parsed.protocol === 'https:')) {
    return parsed.href.replace(/\/+$/, '');
  }
  throw new CliError(
    exitCodes.usage,
    `"${url}" is not the address of a hub: use one such as https://fairlead.example.com.`,
  );
}

async function readConfig(path: string): Promise<z.infer<typeof fileSchema>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return {};
  }
  try {
    return fileSchema.parse(parse(text) ?? {});
  } catch (error) {
    throw new CliError(
      exitCodes.usage,
      `${path} cannot be read: mend it, or write it anew with \`fairlead login\`.`,
      error,
    );
  }
}

/** Only the owner may read it; a crash leaves the old or the new file. */
export async function writeConfig(path: string, connection: Connection): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.next`;
  await writeFile(next, stringify(connection), { mode: 0o600 });
  await rename(next, path);
}

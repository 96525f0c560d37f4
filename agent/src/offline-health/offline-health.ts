import type { KubernetesObject } from '@fairlead/shared/manifest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { type HealthRule, healthOf } from '../domain/health/index.ts';
import {
  createEntries,
  createRuleLookup,
  healthTable,
} from '../domain/health-expressions/index.ts';
import { offlineBytesMax } from '../limits.ts';
import { type FoundObject, readObjects } from './read-objects.ts';

export type OfflineHealthOptions = {
  readonly files: readonly string[];
  /** A file with entries as `apply.healthChecks` has them; none when empty. */
  readonly checks: string;
  readonly output: string;
  /** Reads a file, or standard input for `-`; throws what cannot be read. */
  readonly read: (path: string) => string;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
};

type Judged = {
  readonly id?: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: string;
  readonly message: string;
};

/** Prints the health of each object, and returns the exit code: 1 where something could not be read, whatever its health. */
export function offlineHealth(options: OfflineHealthOptions): 0 | 1 {
  const { files, checks, output, read, write, writeError } = options;
  const faults: string[] = [];
  const ownRules = checks === '' ? undefined : rulesOf(checks, read, faults);
  const rules = createRuleLookup(healthTable);
  const judged: Judged[] = [];
  for (const file of files) {
    const name = file === '-' ? 'standard input' : file;
    const text = attempt(() => read(file), name, faults);
    if (text === undefined) continue;
    if (text.length > offlineBytesMax) {
      faults.push(`${name}: is larger than ${offlineBytesMax} bytes: split it`);
      continue;
    }
    const input = readObjects(text);
    for (const { document, message } of input.faults) {
      faults.push(`${name}: document ${document} ${message}`);
    }
    for (const found of input.found) judged.push(judge(found, rules, ownRules));
    if (input.found.length + input.faults.length === 0) faults.push(`${name}: holds no object`);
  }
  write(printed(judged, output));
  for (const fault of faults) writeError(`${fault}\n`);
  return faults.length > 0 ? 1 : 0;
}

function judge({ object, id }: FoundObject, rules: HealthRule, ownRules?: HealthRule): Judged {
  const { health, message } = healthOf(object, { rules, ownRules });
  // A file may leave metadata out; an API server never does.
  const { name = '', namespace = '' } = (object as Partial<KubernetesObject>).metadata ?? {};
  return {
    ...(id === undefined ? {} : { id }),
    apiVersion: object.apiVersion,
    kind: object.kind,
    namespace,
    name,
    status: health,
    message,
  };
}

const checksSchema = z.array(
  z.strictObject({
    apiVersion: z.string().min(1),
    kind: z.string().min(1),
    current: z.string().min(1),
    inProgress: z.string().optional(),
    failed: z.string().optional(),
  }),
);

function rulesOf(
  file: string,
  read: (path: string) => string,
  faults: string[],
): HealthRule | undefined {
  const content = attempt(() => parse(read(file)) as unknown, file, faults);
  if (content === undefined) return undefined;
  const listed = Array.isArray(content)
    ? content
    : (content as { healthChecks?: unknown })?.healthChecks;
  const checks = checksSchema.safeParse(listed);
  if (!checks.success) {
    for (const { path, message } of checks.error.issues) {
      faults.push(
        `${file}: healthChecks${path.map((part) => `[${String(part)}]`).join('')}: ${message}`,
      );
    }
    return undefined;
  }
  const entries = createEntries(checks.data);
  if (entries.ok) return entries.value;
  for (const { index, field, message } of entries.error) {
    faults.push(`${file}: healthChecks[${index}].${field} ${message}`);
  }
  return undefined;
}

function attempt<Value>(run: () => Value, name: string, faults: string[]): Value | undefined {
  try {
    return run();
  } catch (error) {
    faults.push(`${name}: cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

function printed(judged: readonly Judged[], output: string): string {
  // One object a line, so that a long answer can be cut, searched and still parsed as a whole.
  if (output === 'json') {
    return judged.length === 0
      ? '[]\n'
      : `[\n${judged.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`;
  }
  if (output === 'yaml') return stringify(judged);
  if (judged.length === 0) return '';
  const rows = judged.map(({ status, kind, namespace, name, message }) => [
    status,
    kind,
    namespace === '' ? name : `${namespace}/${name}`,
    message.replaceAll(/\s+/g, ' '),
  ]);
  const all = [['STATUS', 'KIND', 'NAME', 'MESSAGE'], ...rows];
  const widths = [0, 1, 2].map((column) =>
    all.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  );
  return all
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

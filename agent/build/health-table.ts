// `node agent/build/health-table.ts` writes the rules of agent/health into one TypeScript file: the agent is one bundle
// and reads no files of its own. JSON text by group, because most agents need a few groups only.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const expression = z.string().min(1);
const ruleShape = {
  suspended: expression.optional(),
  missing: expression.optional(),
  unknown: expression.optional(),
  inProgress: expression.optional(),
  failed: expression.optional(),
  current: expression.optional(),
  message: expression.optional(),
  given: z.record(z.string(), z.unknown()).optional(),
};
const templatesSchema = z.record(z.string(), z.strictObject(ruleShape));
const fileSchema = z.strictObject({
  groups: z.array(z.string().regex(/^(\*\.)?[a-z0-9.-]+$/)).min(1),
  rules: z
    .array(
      z.strictObject({
        kinds: z.array(z.string()).min(1),
        use: z.string().optional(),
        ...ruleShape,
      }),
    )
    .min(1),
});

export const healthFolder = join(import.meta.dirname, '../health');
export const healthTableFile = join(
  import.meta.dirname,
  '../src/domain/health-expressions/table.generated.ts',
);

const templatesName = 'templates.yaml';

/** Reads every file, and throws with the file's name where one is wrong. */
export function readHealthFolder(folder = healthFolder) {
  const read = <T>(name: string, schema: z.ZodType<T>): T => {
    try {
      return schema.parse(parse(readFileSync(join(folder, name), 'utf8')));
    } catch (error) {
      throw new Error(`agent/health/${name}: ${(error as Error).message}`);
    }
  };
  const templates = read(templatesName, templatesSchema);
  const files: string[] = [];
  const groups: Record<string, number> = {};
  const names = readdirSync(folder).filter((name) => name !== templatesName);
  for (const name of names.sort()) {
    const file = read(name, fileSchema);
    for (const rule of file.rules) {
      if (rule.use !== undefined && !Object.hasOwn(templates, rule.use)) {
        throw new Error(`agent/health/${name}: there is no template ${rule.use}`);
      }
    }
    for (const group of file.groups) {
      if (Object.hasOwn(groups, group)) {
        throw new Error(`agent/health/${name}: ${group} stands in another file as well`);
      }
      groups[group] = files.length;
    }
    files.push(JSON.stringify(file.rules));
  }
  return { templates, files, groups };
}

export function healthTableSource(folder = healthFolder): string {
  const { templates, files, groups } = readHealthFolder(folder);
  const names = Object.keys(groups).sort();
  return `// Made from agent/health by \`npm run generate\`. Do not edit.
import type { RuleTable } from './rule-table.ts';

export const healthTable: RuleTable = {
  templates: ${JSON.stringify(templates)},
  files: [
${files.map((file) => `    ${JSON.stringify(file)},`).join('\n')}
  ],
  groups: {
${names.map((name) => `    ${JSON.stringify(name)}: ${groups[name]},`).join('\n')}
  },
};
`;
}

if (import.meta.main) writeFileSync(healthTableFile, healthTableSource());

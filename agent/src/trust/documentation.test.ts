import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { parseClusterPolicy } from '../domain/policy/index.ts';
import { readTrustedKeys } from '../signature/index.ts';

const text = readFileSync(join(import.meta.dirname, '../../../docs/security.md'), 'utf8');
const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = '']) => block);

test('every policy in the documentation is one that an agent takes', () => {
  const policies = blocks.flatMap((block) => {
    if (block.startsWith('# policy.yaml')) return [block];
    return parseAllDocuments(block).flatMap(
      (document) => document.toJS()?.data?.['policy.yaml'] ?? [],
    );
  });
  expect(policies).toHaveLength(2);
  for (const policy of policies) expect(parseClusterPolicy(policy)).toMatchObject({ ok: true });
});

test('the trusted keys in the documentation can be read', async () => {
  const files = blocks.flatMap((block) =>
    parseAllDocuments(block).flatMap((document) => document.toJS()?.data?.allowed_signers ?? []),
  );
  expect(files).toHaveLength(1);
  const keys = await readTrustedKeys({ allowed_signers: files[0] });
  expect(keys).toMatchObject({ faults: [], sshSigners: [{ namespaces: ['git'] }] });
});

test('every other example is YAML', () => {
  for (const block of blocks) {
    for (const document of parseAllDocuments(block)) expect(document.errors).toEqual([]);
  }
});

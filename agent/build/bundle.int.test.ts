import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleFile, hostTarget } from './bundle-agent.ts';
import { bundleAgent } from './index.ts';

const source = join(import.meta.dirname, '../src');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundle-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the bundle', () => {
  it('holds every edge of the agent, opens a real journal and needs nothing beside it', async () => {
    const entry = join(folder, 'entry.ts');
    const names = ['cluster', 'config', 'hub-link', 'journal', 'render', 'telemetry'];
    writeFileSync(
      entry,
      `${names.map((name, index) => `import * as m${index} from ${JSON.stringify(join(source, name, 'index.ts'))};`).join('\n')}
import { systemClock, systemRandom } from ${JSON.stringify(join(source, '../../shared/src/time/index.ts'))};
const journal = m3.openJournal({ file: process.argv[2] + '/j.sqlite', clock: systemClock, random: systemRandom });
const loaded = [${names.map((_, index) => `m${index}`).join(', ')}].every((m) => Object.keys(m).length > 0);
process.stdout.write(JSON.stringify({ loaded, ...journal.outboxStatus() }));
journal.close();
`,
    );
    const directory = join(folder, 'dist');
    const files = await bundleAgent({ entry, directory, target: hostTarget() });
    expect(files.filter((file) => file.endsWith('.node'))).toHaveLength(1);
    expect(statSync(join(directory, bundleFile)).size).toBeLessThan(8 * 1024 * 1024);
    const run = promisify(execFile);
    const { stdout, stderr } = await run(process.execPath, [join(directory, bundleFile), folder], {
      cwd: '/',
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ loaded: true, auditLength: 1 });
  }, 60_000);
});

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { offlineHealth } from './index.ts';

// `fairlead health` becomes this program: the hub's command line knows its options and the agent its rules.
const { values } = parseArgs({
  options: {
    file: { type: 'string', short: 'f', multiple: true, default: [] },
    checks: { type: 'string', default: '' },
    output: { type: 'string', short: 'o', default: 'table' },
  },
});
process.exitCode = offlineHealth({
  files: values.file,
  checks: values.checks,
  output: values.output,
  read: (path) => readFileSync(path === '-' ? 0 : path, 'utf8'),
  write: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
});

// `npm run check`: the developer's gate. Generate, format and lint, types, import rules and tests, clean tree.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const steps: { name: string; command: string[]; remedy: string }[] = [
  {
    name: 'generate',
    command: ['turbo', 'run', 'generate', '--output-logs=errors-only'],
    remedy: 'The protocol does not compile: see proto/fairlead.',
  },
  {
    name: 'format and lint',
    command: ['biome', 'check', '--error-on-warnings', '.'],
    remedy: 'Run `npm run format`, then mend what is left.',
  },
  {
    name: 'types',
    command: ['turbo', 'run', 'types', '--output-logs=errors-only'],
    remedy: 'Mend the types.',
  },
  {
    name: 'tests',
    command: ['node', 'e2e/run-tests.ts', ...process.argv.slice(2)],
    remedy: 'Mend the tests.',
  },
  {
    name: 'clean tree',
    command: ['git', 'diff', '--exit-code', '--stat'],
    remedy: 'A generated file differs from the committed one: commit it.',
  },
];

for (const step of steps) {
  process.stdout.write(`\n── ${step.name}\n`);
  const [command = '', ...args] = step.command;
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`\n${step.name} failed. ${step.remedy}\n`);
    process.exitCode = 1;
    break;
  }
}

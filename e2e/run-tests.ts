// `npm test`: finds or builds the real parts, runs every test on them, and ends with one line of totals.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

type VitestSummary = {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  numFailedTestSuites: number;
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { status: string; fullName: string }[];
  }[];
};

const root = fileURLToPath(new URL('..', import.meta.url));

const run = (script: string, args: string[], environment: Record<string, string> = {}): number => {
  const env = { ...process.env, ...environment };
  return (
    spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit', env }).status ?? 1
  );
};

function main(): number {
  if (run('deploy/tools/main.ts', []) !== 0) return 1;

  const scratch = mkdtempSync(join(tmpdir(), 'fairlead-test-'));
  try {
    const report = join(scratch, 'report.json');
    const status = run(
      'node_modules/vitest/vitest.mjs',
      [
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${report}`,
        ...process.argv.slice(2),
      ],
      // Whatever a test leaves behind goes with this folder, also when the test was killed.
      { TMPDIR: scratch },
    );
    return conclude(JSON.parse(readFileSync(report, 'utf8')), status);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function conclude(summary: VitestSummary, status: number): number {
  const skipped = summary.testResults.flatMap((file) =>
    file.assertionResults.filter((test) => ['pending', 'skipped', 'todo'].includes(test.status)),
  );
  for (const test of skipped) process.stdout.write(`skipped: ${test.fullName}\n`);
  // A file that could not be loaded has no tests of its own to count, and must not pass for that.
  const unloaded = summary.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((t) => t.status !== 'failed'),
  );
  for (const file of unloaded) process.stdout.write(`failed to load: ${file.name}\n`);
  const failed = summary.numFailedTests + unloaded.length;
  process.stdout.write(
    `${summary.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped\n`,
  );
  return status !== 0 || failed > 0 || summary.numPassedTests === 0 ? 1 : 0;
}

process.exitCode = main();

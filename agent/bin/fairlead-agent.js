#!/usr/bin/env node
// Starts the agent from its TypeScript sources. A Node that cannot run those hands over to the checkout's own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const [major, minor] = process.versions.node.split('.').map(Number);
const runsSources = process.features.typescript && (major > 22 || (major === 22 && minor >= 18));

if (runsSources) await import('../src/main.ts');
else handOver(path('../../node_modules/.bin/node'));

function handOver(node) {
  if (!existsSync(node)) {
    process.stderr.write(
      `fairlead-agent needs Node.js 22.18 or later, and this is ${process.version}: install a newer one, ` +
        'or run `npm install` in the checkout, which brings its own.\n',
    );
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, [path('./fairlead-agent.js'), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  child.once('error', (error) => {
    process.stderr.write(`${node} could not be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
  // A terminal sends SIGINT to both processes already.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
}

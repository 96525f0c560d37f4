import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { guardPid } from './guard.ts';
import {
  type ProcessExit,
  startProcess,
  type TemporaryDirectory,
  temporaryDirectory,
  waitFor,
} from './index.ts';

let directory: TemporaryDirectory;

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(() => directory[Symbol.asyncDispose]());

const at = (name: string) => join(directory.path, name);

/** Options for a child that runs a line of JavaScript. */
const script = (code: string) => ({
  name: 'child',
  command: process.execPath,
  args: ['-e', code],
  logFile: at('child.log'),
});

const idle = 'setInterval(() => {}, 1000);';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const untilGone = (pid: number) => waitFor(`process ${pid} to be gone`, () => !isAlive(pid));

const readPid = (name: string) =>
  waitFor(`a process id in ${name}`, async () => Number(await readFile(at(name), 'utf8')) || false);

describe('a supervised process', { timeout: 30_000 }, () => {
  test('is started once it is ready, and logs its output', async () => {
    await using child = await startProcess({
      ...script(`console.log('hello'); console.error('oh'); ${idle}`),
      ready: async () => (await readFile(at('child.log'), 'utf8')).includes('oh'),
    });
    expect(child.running).toBe(true);
    expect(await child.logTail()).toBe('hello\noh\n');
  });

  test('fails its start with the end of its log when it ends early', async () => {
    const start = startProcess({
      ...script(`console.error('no such setting'); process.exitCode = 3;`),
      ready: () => false,
    });
    await expect(start).rejects.toThrow(/it ended with code 3[\s\S]*no such setting/);
  });

  test('fails its start with the last state seen when it never becomes ready', async () => {
    let pid = 0;
    const start = startProcess({
      ...script(`require('fs').writeFileSync('${at('pid')}', String(process.pid)); ${idle}`),
      ready: async () => {
        pid = Number(await readFile(at('pid'), 'utf8'));
        throw new Error('still warming up');
      },
      readyTimeoutMs: 1_000,
    });
    await expect(start).rejects.toThrow('Last state seen: still warming up');
    await untilGone(pid);
  });

  test('says so when the program does not exist', async () => {
    const start = startProcess({ ...script(''), command: at('missing') });
    await expect(start).rejects.toThrow(`${at('missing')} could not be started`);
  });

  test('may end in order when it is stopped', async () => {
    const exits: ProcessExit[] = [];
    const child = await startProcess({
      ...script(`process.on('SIGTERM', () => { console.log('bye'); process.exit(7) }); ${idle}
        console.log('up');`),
      ready: async () => (await readFile(at('child.log'), 'utf8')).includes('up'),
      onExit: (exit) => exits.push(exit),
    });
    const { exited } = child;
    expect(await child.stop()).toEqual({ code: 7, signal: null });
    expect(await exited).toEqual({ code: 7, signal: null });
    expect(exits).toEqual([{ code: 7, signal: null }]);
    expect(await child.logTail()).toBe('up\nbye\n');
    expect(child.pid).toBeUndefined();
  });

  test('is killed when it does not heed the stop signal in time', async () => {
    const child = await startProcess({
      ...script(`process.on('SIGTERM', () => {}); ${idle} console.log('up');`),
      ready: async () => (await readFile(at('child.log'), 'utf8')).includes('up'),
      stopTimeoutMs: 200,
    });
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('takes with it what it started itself', async () => {
    const grandchild = `require('child_process').spawn(process.execPath, ['-e', '${idle}']).pid`;
    const child = await startProcess(
      script(`require('fs').writeFileSync('${at('pid')}', String(${grandchild})); ${idle}`),
    );
    const pid = await readPid('pid');
    await child.kill();
    await untilGone(pid);
  });

  test('runs again after a kill, with the same arguments', async () => {
    await using child = await startProcess(script(idle));
    const first = child.pid;
    await child.kill();
    expect(child.running).toBe(false);
    await child.restart();
    expect(child.running).toBe(true);
    expect(child.pid).not.toBe(first);
  });

  test('is killed by an abort', async () => {
    const controller = new AbortController();
    const child = await startProcess({ ...script(idle), signal: controller.signal });
    controller.abort();
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('the guard', { timeout: 30_000 }, () => {
  /** A parent that starts two children, writes all process ids to a file and then runs on. */
  async function startParent() {
    const code = `
      import { writeFileSync } from 'node:fs';
      import { startProcess } from ${JSON.stringify(join(import.meta.dirname, 'process.ts'))};
      import { guardPid } from ${JSON.stringify(join(import.meta.dirname, 'guard.ts'))};
      const child = () => startProcess({
        name: 'child', command: process.execPath, logFile: ${JSON.stringify(at('child.log'))},
        args: ['-e', "process.on('SIGTERM', () => {}); process.on('SIGINT', () => {}); ${idle}"],
      });
      const children = [await child(), await child()];
      const pids = [...children.map((child) => child.pid), guardPid()];
      writeFileSync(${JSON.stringify(at('pids'))}, JSON.stringify(pids));
    `;
    await writeFile(at('parent.ts'), code);
    const parent = spawn(process.execPath, [at('parent.ts')], { stdio: 'inherit', detached: true });
    const pids = await waitFor('the parent to start its children', async () =>
      JSON.parse(await readFile(at('pids'), 'utf8')),
    );
    return { parent, pids: pids as number[] };
  }

  test.each(['SIGKILL', 'SIGINT'] as const)(
    'leaves no child running when the parent ends by %s',
    async (signal) => {
      const { parent, pids } = await startParent();
      expect(pids.map(isAlive)).toEqual([true, true, true]);
      // To the whole group, as a terminal does it.
      process.kill(-(parent.pid as number), signal);
      for (const pid of pids) await untilGone(pid);
    },
  );

  test('is one process for all children, and a new one takes over when it dies', async () => {
    await using _first = await startProcess(script(idle));
    const guard = guardPid() as number;
    await using second = await startProcess(script(idle));
    expect(guardPid()).toBe(guard);
    process.kill(guard, 'SIGKILL');
    await untilGone(guard);
    await second.restart();
    expect(guardPid()).not.toBe(guard);
  });
});

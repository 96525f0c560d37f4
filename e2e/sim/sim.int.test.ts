import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

/** In a process of its own, because the simulator takes Node's timers and clocks away. */
async function sim(...given: string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, [main, ...given], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [output, errors, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
  ]);
  return { status, output: output + errors };
}

const minutes = 60_000;

test(
  'promises 1 to 6, 9 and 11 hold at every step of 2,000 stories, and every story ends well',
  async () => {
    const { status, output } = await sim('--seeds', '2000');
    expect(status, output).toBe(0);
    expect(output).toContain('2000 seeds in');
  },
  20 * minutes,
);

test(
  'the same seed tells the same story to its last step, whatever ran before it',
  async () => {
    const hashes = ({ output }: { output: string }) => output.match(/^\d+ [0-9a-f]{16}$/gm);
    const together = hashes(
      await sim('--seed', '21', '--seeds', '6', '--hashes', '--threads', '1'),
    );
    const apart = hashes(await sim('--seed', '21', '--seeds', '6', '--hashes', '--threads', '3'));
    expect(together).toHaveLength(6);
    expect(new Set(together).size).toBe(6);
    expect(apart).toEqual(together);
  },
  5 * minutes,
);

test(
  'mistakes in the core are found, and named by the property that they break',
  async () => {
    const only =
      'order gate,manual gate,a rollback does not hold,one target is enough,the deadline';
    const { status, output } = await sim('--mutants', '--only', only, '--seeds', '300');
    expect(status, output).toBe(0);
    expect(output).toMatch(/order gate always passes +order$/m);
    expect(output).toContain('5 of 5 mutants were found');
  },
  10 * minutes,
);

test(
  'a failure names its seed, the property in words, and a short story',
  async () => {
    const { status, output } = await sim('--seeds', 'many');
    expect(status).toBe(2);
    expect(output).toContain('many is no whole number');
  },
  minutes,
);

import { readdir, readFile } from 'node:fs/promises';

const ticksPerSecond = 100;

/** What a process is called in the figures; undefined for what is not of the benchmark. */
function programOf(commandLine: string): string | undefined {
  for (const name of ['kube-apiserver', 'etcd', 'kube-controller-manager', 'nats-server']) {
    if (commandLine.split('\0')[0]?.endsWith(name)) return name;
  }
  if (commandLine.includes('bench/main.ts')) return 'bench';
  if (commandLine.includes('agent.mjs')) return 'agent';
  return commandLine.includes('hub/src/main.ts') ? 'hub' : undefined;
}

/**
 * Processor seconds by program since an earlier look: where the time goes, on a machine that other work slows down too.
 * Processes of other runs of the same programs would be counted in; Linux only.
 */
export async function processorSeconds(
  since: Readonly<Record<string, number>> = {},
): Promise<Record<string, number>> {
  const seconds: Record<string, number> = {};
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const program = programOf(await readFile(`/proc/${pid}/cmdline`, 'utf8'));
      if (program === undefined) continue;
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      // The name in parentheses may hold blanks; user and system time are the 14th and 15th field.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const used = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
      seconds[program] = (seconds[program] ?? 0) + used;
    } catch {
      // The process ended in between.
    }
  }
  return Object.fromEntries(
    Object.entries(seconds).map(([program, used]) => [
      program,
      Math.round((used - (since[program] ?? 0)) * 10) / 10,
    ]),
  );
}

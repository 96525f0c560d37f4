// Ports for programs that cannot be told to choose one themselves, or must keep it over a restart.

import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { freePortAttemptsMax } from './limits.ts';

/**
 * A loopback TCP port that nobody listens on now.
 * Chosen below the range from which the system takes ports for outgoing connections (from 32768 on
 * Linux), because such a connection could otherwise take the port before its server listens.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < freePortAttemptsMax; attempt += 1) {
    const port = randomInt(20_000, 32_768);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free loopback port found in ${freePortAttemptsMax} attempts.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

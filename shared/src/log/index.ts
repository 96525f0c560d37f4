// Structured logs of a program, one JSON line an entry on standard error, secrets masked by name. Imports pino.
import { destination, type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

const secretPaths = ['token', 'password', 'secret', 'authorization', 'privateKey', 'seed'];

export function createLogger(program: string, level: LogLevel): Logger {
  return pino(
    {
      base: { program },
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: secretPaths.flatMap((path) => [path, `*.${path}`]),
        censor: '[secret]',
      },
    },
    destination({ fd: 2, sync: true }),
  );
}

// Configuration read once at the start of a program: raw text in, a frozen typed value out, all faults at once.
// Imports zod and Node built-ins; only a program's `main.ts` passes the environment in.
export { ConfigError, type ConfigFault, parseConfig } from './parse.ts';
export { type Secret, secret } from './secret.ts';

// The hub's configuration: environment variables in, one frozen value out, every fault at once.
// Imports `config`, zod and Node's path functions; only `main.ts` passes the environment in.
export {
  type Address,
  type ConfigurationRepository,
  configReference,
  type HubConfig,
  readHubConfig,
} from './hub-config.ts';
export { createSecretReader, type ReadSecret } from './secrets.ts';

// The agent's configuration from environment variables: checked at once, frozen, secrets as a type that does not print.
// Imports zod and `shared`; the environment and the file system are passed in by `main.ts`.
export { type AgentConfig, readAgentConfig } from './agent-config.ts';

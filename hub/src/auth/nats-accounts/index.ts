// The keys and tokens (JWTs) of the message bus: one operator, one system account, one `fairlead` account, a user for
// the hub, and a user for each agent that may use its own cluster's subjects and nothing else. Connects to nothing.
//
// May import `auth/private-file`, `shared`, @nats-io/jwt and @nats-io/nkeys, which stop here.
export { renderAuthorization } from './configuration.ts';
export {
  type AgentUserRequest,
  type BusCredentials,
  isUserPublicKey,
  type NatsAccounts,
  openNatsAccounts,
} from './nats-accounts.ts';
export { type AgentSubjects, agentSubjects } from './subjects.ts';

// What an agent makes for itself, for the hub's tests: its cluster key with a certificate request, and its bus user.
// Imports `auth/ca`, @peculiar/x509 and @nats-io/nkeys; only tests import it.
export { newBusUser } from './bus-user.ts';
export { signingRequest } from './signing-request.ts';

// For tests: a hub's API that answers what a test says, and a terminal that remembers. Imports Node built-ins.
export { createFakeHub, type FakeHub, type Recorded } from './fake-hub.ts';
export { createTerminal, type Terminal } from './terminal.ts';

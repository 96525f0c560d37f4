// The whole system on virtual time, decided by one seed: the hub's core, commands and loops and the agents' loop as they
// are, on clusters, disks, a network and clocks that the seed makes fail. An oracle judges every step by the records.
// Imports the modules of hub and agent by their index; both are programs of their own, and only here they meet in one.
export { generateScenario } from './scenario/generate.ts';
export type { Action, Scenario } from './scenario/scenario.ts';
export { shrink } from './scenario/shrink.ts';
export { type Run, simulate } from './simulate.ts';

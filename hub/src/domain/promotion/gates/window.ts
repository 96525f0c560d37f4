import type { Gate } from './gate.ts';

/** The windows of the stage are open. */
export const windowGate: Gate = () => undefined;

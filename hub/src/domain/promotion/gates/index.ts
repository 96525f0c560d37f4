// The gates of an admission, one file each, evaluated together on one snapshot. Imports its subject's state only.
import type { GateName, GateResult } from '../events.ts';
import type { Gate, GateContext } from './gate.ts';
import { healthGate } from './health.ts';
import { holdGate } from './hold.ts';
import { manualGate } from './manual.ts';
import { orderGate } from './order.ts';
import { soakGate } from './soak.ts';

export type { GateContext } from './gate.ts';

const gates: Readonly<Record<GateName, Gate>> = {
  order: orderGate,
  health: healthGate,
  soak: soakGate,
  manual: manualGate,
  hold: holdGate,
};

export const evaluateGates = (context: GateContext): GateResult[] =>
  Object.entries(gates).map(([gate, evaluate]) => ({
    gate: gate as GateName,
    ...evaluate(context),
  }));

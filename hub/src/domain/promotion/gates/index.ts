// The gates of an admission, one file each, evaluated together on one snapshot. Imports its subject's state only.
import { bypassOf } from '../bypass.ts';
import { type GateName, type GateResult, gateNames } from '../events.ts';
import { approvalGate } from './approval.ts';
import { freezeGate } from './freeze.ts';
import type { Gate, GateContext } from './gate.ts';
import { healthGate } from './health.ts';
import { holdGate } from './hold.ts';
import { manualGate } from './manual.ts';
import { metricGate } from './metric.ts';
import { orderGate } from './order.ts';
import { soakGate } from './soak.ts';
import { statusGate } from './status.ts';
import { turnGate } from './turn.ts';
import { verificationGate } from './verification.ts';
import { windowGate } from './window.ts';

export type { GateContext } from './gate.ts';
export { healthGate } from './health.ts';

const gates: Readonly<Record<GateName, Gate>> = {
  order: orderGate,
  health: healthGate,
  soak: soakGate,
  verification: verificationGate,
  metric: metricGate,
  status: statusGate,
  approval: approvalGate,
  manual: manualGate,
  hold: holdGate,
  turn: turnGate,
  window: windowGate,
  freeze: freezeGate,
};

/** All of them, or those that are named. */
export const evaluateGates = (
  context: GateContext,
  names: readonly GateName[] = gateNames,
): GateResult[] =>
  names.flatMap((gate) => {
    const result = gates[gate](context);
    if (result === undefined) return [];
    const bypassed = result.passed ? undefined : bypassOf(context, gate);
    return [{ gate, ...result, ...(bypassed === undefined ? {} : { bypassed }) }];
  });

/** It passed, or somebody with the right let the release by. */
export const isOpen = ({ passed, bypassed }: GateResult): boolean =>
  passed || bypassed !== undefined;

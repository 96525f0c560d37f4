/** How often one object was repaired lately. Pure: the caller brings the time. */
export type RepairHistory = {
  /** When the repairs inside the window happened, in milliseconds, oldest first. */
  readonly repairedAtMs: readonly number[];
  /** How many delays in a row were imposed; 0 while the object is left in peace. */
  readonly delays: number;
};

export type FightLimits = {
  readonly windowMs: number;
  readonly repairsMax: number;
  readonly delayMsMin: number;
  readonly delayMsMax: number;
};

export const peaceful: RepairHistory = { repairedAtMs: [], delays: 0 };

/** When the next repair may happen: at once, or after a delay that doubles as long as the other side keeps writing. */
export function nextRepair(
  history: RepairHistory,
  nowMs: number,
  limits: FightLimits,
): { readonly waitMs: number; readonly isFight: boolean } {
  const recent = history.repairedAtMs.filter((at) => at > nowMs - limits.windowMs);
  if (recent.length < limits.repairsMax && history.delays === 0)
    return { waitMs: 0, isFight: false };
  const last = history.repairedAtMs.at(-1) ?? nowMs;
  const delayMs = Math.min(
    limits.delayMsMin * 2 ** Math.max(0, history.delays - 1),
    limits.delayMsMax,
  );
  return { waitMs: Math.max(0, last + delayMs - nowMs), isFight: true };
}

/** When a fight is over if nothing is repaired until then; `undefined` where there is none. */
export function fightEndsAtMs(history: RepairHistory, limits: FightLimits): number | undefined {
  const last = history.repairedAtMs.at(-1);
  if (history.delays === 0 || last === undefined) return undefined;
  return last + limits.windowMs + pauseMs(history, limits);
}

const pauseMs = ({ delays }: RepairHistory, { delayMsMin, delayMsMax }: FightLimits): number =>
  Math.min(delayMsMin * 2 ** delays, delayMsMax);

/** A quiet time longer than both the window and the delay in force ends a fight. */
export function recordRepair(
  history: RepairHistory,
  nowMs: number,
  limits: FightLimits,
): RepairHistory {
  const last = history.repairedAtMs.at(-1);
  const quiet = last === undefined || nowMs - last >= limits.windowMs + pauseMs(history, limits);
  const before = quiet ? peaceful : history;
  const repairedAtMs = [...before.repairedAtMs, nowMs].slice(-limits.repairsMax);
  const recent = repairedAtMs.filter((at) => at > nowMs - limits.windowMs);
  const fights = before.delays > 0 || recent.length >= limits.repairsMax;
  return { repairedAtMs, delays: fights ? before.delays + 1 : 0 };
}

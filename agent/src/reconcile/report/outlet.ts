import type { UnitReport } from '../../domain/link/index.ts';
import {
  unitObjectsReportedPerMs,
  unitReportDelayCrowdedMs,
  unitReportDelayMs,
  unitStatusBusyPauseMs,
  unitStatusIntervalMs,
  unitStatusProgressMs,
  unitStatusWritesMax,
} from '../../limits.ts';
import { createTimers } from '../timers.ts';
import type { Unit } from '../unit.ts';

export type OutletDependencies = {
  readonly now: () => number;
  readonly reportOf: (unit: Unit) => UnitReport;
  readonly onReport: (report: UnitReport) => void;
  /** What the unit's object in the cluster should say now. */
  readonly shownOf: (unit: Unit, report: UnitReport) => string;
  /** What it said when the agent started. */
  readonly shownAtStart: (unit: Unit) => string;
  /** Writes it; when it rejects, it is tried again. */
  readonly show: (unit: Unit, report: UnitReport) => Promise<void>;
  /** Units' objects are for people, and are written slowly while units have work. */
  readonly isBusy: () => boolean;
  /** More units want to work than may. */
  readonly isCrowded: () => boolean;
  readonly signal: AbortSignal;
};

/** Reports and status objects of units: only what has changed, and changes close together in one. */
export type Outlet = {
  readonly changed: (unit: Unit, isUrgent: boolean) => void;
  /** Reports the unit again, changed or not. */
  readonly repeat: (unit: Unit) => void;
};

type Sent = {
  report: string;
  /** Equal texts need no write. */
  shown: string;
  shownAtMs: number;
  reportTimer: NodeJS.Timeout | undefined;
  reportAtMs: number;
  showTimer: NodeJS.Timeout | undefined;
  showAtMs: number;
  /** It is due and waits for its turn to be written. */
  isShowDue: boolean;
};

const isEnd = new Set(['settled', 'failed', 'prune-held', 'orphaned', 'deleted']);

export function createOutlet(dependencies: OutletDependencies): Outlet {
  const { now, reportOf, onReport, shownOf, show, isBusy, isCrowded, signal } = dependencies;
  const sent = new WeakMap<Unit, Sent>();
  const { later, forget } = createTimers(signal);
  /** In the order in which they became due. One look serves all: a thousand units that wait cost no timer each. */
  const due = new Map<Unit, Sent>();
  let lookTimer: NodeJS.Timeout | undefined;
  let writtenAtMs = 0;
  let writing = 0;
  const stateOf = (unit: Unit): Sent => {
    const known = sent.get(unit);
    if (known) return known;
    const fresh: Sent = {
      report: '',
      shown: dependencies.shownAtStart(unit),
      shownAtMs: 0,
      reportTimer: undefined,
      reportAtMs: 0,
      showTimer: undefined,
      showAtMs: 0,
      isShowDue: false,
    };
    sent.set(unit, fresh);
    return fresh;
  };

  const flush = (unit: Unit) => {
    const state = stateOf(unit);
    forget(state.reportTimer);
    state.reportTimer = undefined;
    if (signal.aborted) return;
    const report = reportOf(unit);
    const text = JSON.stringify(report);
    if (text === state.report) return;
    state.report = text;
    onReport(report);
    planShow(unit, state, isEnd.has(report.phase) ? 0 : unitStatusProgressMs);
  };

  const planShow = (unit: Unit, state: Sent, delayMs: number) => {
    if (state.isShowDue) return;
    const atMs = Math.max(now() + delayMs, state.shownAtMs + unitStatusIntervalMs);
    if (state.showTimer !== undefined && state.showAtMs <= atMs) return;
    forget(state.showTimer);
    state.showAtMs = atMs;
    state.showTimer = later(atMs - now(), () => {
      state.showTimer = undefined;
      state.isShowDue = true;
      due.set(unit, state);
      look();
    });
  };

  const look = () => {
    if (signal.aborted) return;
    const hasWork = isBusy();
    for (const [unit, state] of due) {
      if (writing >= unitStatusWritesMax) return;
      // The difference is bounded, as a clock may go back.
      if (hasWork && Math.abs(now() - writtenAtMs) < unitStatusBusyPauseMs) break;
      writtenAtMs = now();
      due.delete(unit);
      state.isShowDue = false;
      void write(unit, state);
    }
    if (due.size > 0 && lookTimer === undefined) {
      lookTimer = later(unitStatusBusyPauseMs, () => {
        lookTimer = undefined;
        look();
      });
    }
  };

  const write = async (unit: Unit, state: Sent): Promise<void> => {
    const report = reportOf(unit);
    const shown = shownOf(unit, report);
    if (signal.aborted || shown === state.shown || report.phase === 'deleted') return;
    state.shownAtMs = now();
    writing++;
    try {
      await show(unit, report);
      state.shown = shown;
    } catch {
      if (!signal.aborted) planShow(unit, state, 0);
    } finally {
      writing--;
      look();
    }
  };

  return {
    changed: (unit, isUrgent) => {
      const state = stateOf(unit);
      if (isUrgent) {
        flush(unit);
        return;
      }
      // A report looks at every object, so that of a large unit comes more rarely.
      const sizeMs = Math.floor((unit.target?.entries.size ?? 0) / unitObjectsReportedPerMs);
      const delayMs = isCrowded() ? unitReportDelayCrowdedMs : unitReportDelayMs;
      const atMs = now() + delayMs + sizeMs;
      if (state.reportTimer !== undefined && state.reportAtMs <= atMs) return;
      forget(state.reportTimer);
      state.reportAtMs = atMs;
      state.reportTimer = later(atMs - now(), () => flush(unit));
    },
    repeat: (unit) => {
      stateOf(unit).report = '';
      flush(unit);
    },
  };
}

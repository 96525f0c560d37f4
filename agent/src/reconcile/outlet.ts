import type { UnitReport } from '../domain/link/index.ts';
import { unitReportDelayMs, unitStatusIntervalMs } from '../limits.ts';
import type { Unit } from './unit.ts';

export type OutletDependencies = {
  readonly now: () => number;
  readonly reportOf: (unit: Unit) => UnitReport;
  readonly onReport: (report: UnitReport) => void;
  readonly statusTextOf: (report: UnitReport) => string;
  /** The status that the cluster held when the agent started. */
  readonly statusAtStart: (unit: Unit) => string;
  /** Writes what people see in the cluster; it may fail, and is then tried with the next change. */
  readonly writeStatus: (unit: Unit, report: UnitReport) => Promise<void>;
  /** Status objects are for people and wait while units have work. */
  readonly isBusy: () => boolean;
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
  status: string;
  statusAtMs: number;
  reportTimer: NodeJS.Timeout | undefined;
  statusTimer: NodeJS.Timeout | undefined;
};

const isEnd = new Set(['settled', 'failed', 'prune-held', 'orphaned', 'deleted']);
const busyPauseMs = 250;
/** A busy agent writes a status at the latest after this time. */
const busyMsMax = 10_000;

export function createOutlet(dependencies: OutletDependencies): Outlet {
  const { now, reportOf, onReport, statusTextOf, writeStatus, isBusy, signal } = dependencies;
  const sent = new WeakMap<Unit, Sent>();
  const timers = new Set<NodeJS.Timeout>();
  signal.addEventListener(
    'abort',
    () => {
      for (const timer of timers) clearTimeout(timer);
    },
    { once: true },
  );

  const later = (delayMs: number, task: () => void): NodeJS.Timeout => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      task();
    }, delayMs);
    timer.unref();
    timers.add(timer);
    return timer;
  };

  const stateOf = (unit: Unit): Sent => {
    const known = sent.get(unit);
    if (known) return known;
    const fresh: Sent = {
      report: '',
      status: dependencies.statusAtStart(unit),
      statusAtMs: 0,
      reportTimer: undefined,
      statusTimer: undefined,
    };
    sent.set(unit, fresh);
    return fresh;
  };

  const flush = (unit: Unit) => {
    const state = stateOf(unit);
    clearTimeout(state.reportTimer);
    state.reportTimer = undefined;
    if (signal.aborted) return;
    const report = reportOf(unit);
    const text = JSON.stringify(report);
    if (text === state.report) return;
    state.report = text;
    onReport(report);
    if (isEnd.has(report.phase)) planStatus(unit, state);
  };

  const planStatus = (unit: Unit, state: Sent) => {
    if (state.statusTimer !== undefined) return;
    const waitMs = Math.max(0, state.statusAtMs + unitStatusIntervalMs - now());
    const dueAtMs = now() + waitMs + busyMsMax;
    const attempt = () => {
      if (isBusy() && now() < dueAtMs) {
        state.statusTimer = later(busyPauseMs, attempt);
        return;
      }
      state.statusTimer = undefined;
      const report = reportOf(unit);
      const text = statusTextOf(report);
      if (text === state.status || report.phase === 'deleted') return;
      state.statusAtMs = now();
      void writeStatus(unit, report).then(
        () => {
          state.status = text;
        },
        () => {},
      );
    };
    state.statusTimer = later(waitMs, attempt);
  };

  return {
    changed: (unit, isUrgent) => {
      const state = stateOf(unit);
      if (isUrgent) flush(unit);
      else state.reportTimer ??= later(unitReportDelayMs, () => flush(unit));
    },
    repeat: (unit) => {
      stateOf(unit).report = '';
      flush(unit);
    },
  };
}

import type { TargetReport } from './snapshot.ts';

export type ReportSaid = Pick<TargetReport, 'generation' | 'phase' | 'health' | 'terminal'>;

/**
 * Whether a decision can differ for this report in the place of the one before. A target that was on its way and still is
 * decides nothing: no evidence of an end, and a stage that progresses is as healthy as it was. Of another generation than
 * the one before, a report comes in the place of none.
 */
export function isReportNews(before: ReportSaid | undefined, report: ReportSaid): boolean {
  if (!isOnItsWay(report)) return true;
  return before?.generation === report.generation && !isOnItsWay(before);
}

const phasesOnTheWay: ReadonlySet<TargetReport['phase']> = new Set([
  'accepted',
  'fetching',
  'rendering',
  'applying',
  'waiting',
]);

const isOnItsWay = ({ phase, health, terminal }: ReportSaid): boolean =>
  phasesOnTheWay.has(phase) && health === 'progressing' && !terminal;

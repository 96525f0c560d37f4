// Calendars: when a window is open, by recurrences of RFC 5545 or cron in IANA time zones, in bounded work for each question.
// Pure: an instant goes in, nothing reads a clock. Imports `time`, the pipeline's definition, `croner` and `rrule-temporal`.
export {
  checkSchedule,
  type ScheduleFault,
  scheduleCharactersMax,
  scheduleKind,
} from './check-schedule.ts';
export { type TimeWindow, type WindowState, windowAt } from './window.ts';
export { type WindowsState, windowsAt } from './windows.ts';

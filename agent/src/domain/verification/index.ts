// Verification runs as the agent sees them: what is ordered, which Job it becomes, and what the Job's state says about the
// outcome. Pure; imports `ids`, `manifest` and the assignment's types only.
export { jobOf, ownedByRun, runLabel } from './job.ts';
export { jobEnd, type VerificationEnd } from './outcome.ts';
export type { VerificationOutcome, VerificationResult, VerificationRun } from './run.ts';

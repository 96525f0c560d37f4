import type { Step } from '../step.ts';

/** Starts the runs that gates wait for, and ends them by result or deadline. */
export const verificationSteps: Step = () => [];

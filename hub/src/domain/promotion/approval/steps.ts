import type { Step } from '../step.ts';

/** Opens, expires and voids requests for approvals. */
export const approvalSteps: Step = () => [];

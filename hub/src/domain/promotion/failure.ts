import type { Step } from './step.ts';

/** What a failed rollout leads to by the policy of its stage: nothing, or one automatic rollback. */
export const failureResponse: Step = () => [];

// Limits of one definition. The core imports nothing of the package, so they stand beside what they limit.

export const stagesMax = 500;
export const globsMax = 100;
export const labelsMax = 32;
export const afterMax = 100;
export const peopleMax = 100;
export const approvalsRequiredMax = 50;
export const windowsMax = 50;
/** Different ones in one document. */
export const schedulesMax = 200;
/** A window may be open or closed for so long at once. */
export const windowDurationMsMin = 60_000;
export const windowDurationMsMax = 31 * 24 * 3_600_000;
export const verificationsMax = 20;
export const verificationTimeoutMsMin = 1_000;
export const verificationTimeoutMsMax = 24 * 3_600_000;
export const metricsMax = 20;
export const metricIntervalMsMin = 5_000;
export const metricSamplesMax = 2_000;
export const metricQueryCharactersMax = 4_096;
export const metricFailuresMax = 1_000;
export const urlCharactersMax = 2_048;
export const statusesMax = 50;
export const statusCharactersMax = 200;
export const wavesMax = 50;
export const targetsMax = 100_000;
export const soaksMax = 100;
export const retriesMax = 20;
export const backoffMsMin = 1_000;
export const matchRulesMax = 20;
export const matchPathsMax = 50;
export const patternCharactersMax = 500;

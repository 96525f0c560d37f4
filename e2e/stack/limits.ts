// Every wait, retry and size of the test stack has its limit here.

/** How long a child may take to become ready; a busy two-core machine needs the slack. */
export const readyTimeoutMs = 60_000;

/** How long an orderly stop may take before the whole process group is killed. */
export const stopTimeoutMs = 10_000;

/** How often a level is looked at while waiting for it. */
export const pollIntervalMs = 50;

/** The default limit of `waitFor`. */
export const waitTimeoutMs = 30_000;

/** What an error quotes from the end of a child's log. */
export const logTailMaxBytes = 4_096;

/** Attempts to find a port that nobody listens on. */
export const freePortAttemptsMax = 100;

/** One request to an API server, for tests' own administration. */
export const apiRequestTimeoutMs = 30_000;

/** One run of kubectl or git. */
export const commandTimeoutMs = 60_000;

/** The answer of one run of kubectl or git. */
export const commandOutputMaxBytes = 64 * 1024 * 1024;

/** One POST of a webhook; GitHub's own limit is ten seconds. */
export const webhookTimeoutMs = 10_000;

/** Commits listed in one push webhook, as GitHub limits them. */
export const webhookCommitsMax = 2_048;

/** Webhook deliveries that the Git server remembers for diagnosis. */
export const webhookDeliveriesKeptMax = 1_000;

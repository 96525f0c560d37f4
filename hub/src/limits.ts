// Every queue, message, retry and wait of the hub has its limit here, with the unit last in its name.

/** A decision is tried again this often when another writer was first. */
export const decisionRetriesMax = 8;

/** Pauses of a background loop after a failed run. */
export const reactorBackoffMsMin = 100;
export const reactorBackoffMsMax = 30_000;

/** Rollouts that one `advance` of a pipeline may start. */
export const advanceRolloutIdsMax = 64;

/** An agent that was not heard for this long is offline: five beats. */
export const offlineAfterMs = 25_000;
export const beatIntervalMs = 5_000;

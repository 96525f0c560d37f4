// Every queue, message, retry and wait of the hub has its limit here, with the unit last in its name.

/** A decision is tried again this often when another writer was first. */
export const decisionRetriesMax = 8;

// Every queue, message, retry and wait of the agent has its limit here, with the unit last in its name.

/** Messages to the bus stay below this, well under the broker's own limit. */
export const busMessageBytesMax = 64 * 1024;

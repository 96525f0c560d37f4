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

/** The JSON text of one event in the decision log. */
export const eventBytesMax = 256 * 1024;
/** Events that one append takes, over all its streams. */
export const appendEventsMax = 1_000;
/** Entries that a reader of the decision log holds in memory at once. */
export const logPageEntriesMax = 1_000;
/** How long a statement waits for another process that writes the decision log. */
export const logBusyTimeoutMs = 5_000;

// Git.

/** One fetch, from start to end; a first clone of a large repository has to fit. */
export const gitFetchTimeoutMs = 5 * 60_000;
/** Any other Git process, and one answer of the object reader. */
export const gitCommandTimeoutMs = 60_000;
export const gitOutputBytesMax = 64 * 1024 * 1024;
export const gitErrorOutputBytesMax = 16 * 1024;
/** For the fallback without a binary, which holds a pack in memory. */
export const gitHttpResponseBytesMax = 512 * 1024 * 1024;
/** Object readers are one process a mirror; the least recently used idle one is ended above this. */
export const gitObjectReadersMax = 16;
export const gitObjectReaderIdleMs = 60_000;
export const gitObjectRequestsWaitingMax = 10_000;
export const subjectCharactersMax = 500;
export const treeBytesMax = 16 * 1024 * 1024;
export const treeDepthMax = 128;
export const changedPathsMax = 100_000;
export const treeObjectsMax = 50_000;
export const treeBlobBytesMax = 16 * 1024 * 1024;
export const treeTotalBytesMax = 256 * 1024 * 1024;
export const treeHaveCommitsMax = 16;
/** A pipeline's first release is looked for in this many newest commits of the first-parent line. */
export const initialHistoryCommitsMax = 500;
/** New commits that one discovery examines; above it only the newest count. */
export const discoveryCommitsMax = 10_000;
export const webhookBodyBytesMax = 5 * 1024 * 1024;
export const repositoryPollsConcurrentMax = 8;
/** A repository that fails is tried at least this often. */
export const repositoryPollBackoffMsMax = 10 * 60_000;
export const repositoryPollIntervalMsMin = 1_000;

/** Certificates. Agents renew at half life; the hub renews its own at two thirds. */
export const clusterCertificateLifetimeMs = 24 * 3_600_000;
export const serverCertificateLifetimeMs = 30 * 24 * 3_600_000;
export const authorityLifetimeMs = 10 * 365 * 24 * 3_600_000;
/** A certificate is valid from this long before its issue, for agents whose clock is behind. */
export const certificateBackdateMs = 60_000;
export const signingRequestBytesMax = 16_384;

/** A bus message: 64 KiB of payload and 1 KiB for its headers. */
export const busPayloadBytesMax = 65_536;
export const busMessageBytesMax = busPayloadBytesMax + 1_024;
/** An agent needs two: its wake-ups and one inbox. */
export const agentSubscriptionsMax = 16;
/** Longer than any user token lives. */
export const revocationKeptMs = 30 * 24 * 3_600_000;

/** The hub's own message bus server. */
export const busReadyTimeoutMs = 15_000;
export const busStopTimeoutMs = 5_000;
export const busRestartBackoffMsMin = 100;
export const busRestartBackoffMsMax = 5_000;
export const busPingIntervalMs = 20_000;
/** What the server holds for one connection that does not read. */
export const busPendingBytesMax = 8 * 1024 * 1024;
export const busStoreBytesMax = 4 * 1024 * 1024 * 1024;
export const certificateCheckIntervalMs = 600_000;

/** The HTTP API. */
export const requestBodyBytesMax = 1024 * 1024;
export const pageItemsMax = 500;
/** Longest wait of a read for the position that it asks for. */
export const readYourWritesTimeoutMs = 5_000;
export const eventStreamsMax = 256;
/** Entries that one event stream reads at once, and may be behind before it is cut. */
export const eventStreamBatchMax = 100;
export const eventStreamStallMs = 15_000;
export const eventStreamKeepAliveMs = 15_000;
export const readinessCheckTimeoutMs = 2_000;
export const joinTokenLifetimeMs = 600_000;

/** The read model. */
export const readModelBatchEntriesMax = 500;
export const readModelWaitersMax = 10_000;
/** How often the log is looked at without a wake, for entries of other processes. */
export const readModelPollIntervalMs = 1_000;
export const readModelRetryMs = 1_000;

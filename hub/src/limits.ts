// Every queue, message, retry and wait of the hub has its limit here, with the unit last in its name.

/** A decision is tried again this often when another writer was first. */
export const decisionRetriesMax = 8;

/** Pauses of a background loop after a failed run. */
export const reactorBackoffMsMin = 100;
export const reactorBackoffMsMax = 30_000;

/** Rollouts that one `advance` of a pipeline may start. */
export const advanceNewIdsMax = 64;
/** An advance with more events than this may have left something for the next append. */
export const advanceSettledEventsMax = 500;
/** Rollouts that start in a second of those that time or the end of a freeze lets in together. */
export const waitingRolloutStartsPerSecondMax = 10;
/** A pipeline is looked at again this long after the last look, whatever woke or did not wake the loop. */
export const promotionSweepMs = 120_000;
/** How often the loop asks which pipelines that are. */
export const promotionSweepStepMs = 10_000;
/** Pipelines that are looked at side by side before requests of people and agents have their turn. */
export const promotionLooksTogetherMax = 8;

/** Watched time grows by no more than this over any gap, and is written down twice in it. */
export const watchedTickMs = 10_000;

/** An agent that was not heard for this long is offline: five beats. */
export const offlineAfterMs = 25_000;
export const beatIntervalMs = 5_000;

/** The JSON text of one event in the decision log: a definition of hundreds of stages with every default is one. */
export const eventBytesMax = 2 * 1024 * 1024;
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
export const treeHaveObjectsMax = 64;
/** Entries of trees above agents' roots that stay parsed in memory. */
export const pathTreeEntriesMax = 50_000;
/** A pipeline's first release is looked for in this many newest commits of the first-parent line. */
export const initialHistoryCommitsMax = 500;
/** A file that a value is read from, to tell whether a commit is a release. */
export const matchedFileBytesMax = 1024 * 1024;
/** New commits that one discovery examines; above it only the newest count. */
export const discoveryCommitsMax = 10_000;
export const webhookBodyBytesMax = 5 * 1024 * 1024;
export const repositoryPollsConcurrentMax = 8;
/** A release that nothing needs any more stays fetchable for this long after its discovery. */
export const releaseKeptMs = 180 * 24 * 3_600_000;
/** How often a mirror is looked at for refs of such releases, and how many one look drops. */
export const keptRefsCheckMs = 24 * 3_600_000;
export const keptRefsDroppedMax = 500;
/** A repository that fails is tried at least this often. */
export const repositoryPollBackoffMsMax = 10 * 60_000;
/** A Git host that says "too many requests" is left alone for so long at first, and for at most so long. */
export const rateLimitBackoffMsMin = 60_000;
export const rateLimitBackoffMsMax = 60 * 60_000;
export const repositoryPollIntervalMsMin = 1_000;
/** Of the repository that the hub's own resources are kept in. */
export const configurationFilesMax = 1_000;
export const configurationFileBytesMax = 1024 * 1024;
export const configurationBytesMax = 16 * 1024 * 1024;
/** One event names all of them. */
export const configurationResourcesMax = 1_500;

/** Stage refs: how often remotes are looked at without a change, and pauses after a failure. */
export const stageRefSweepMs = 10 * 60_000;
export const stageRefBackoffMsMin = 5_000;
export const stageRefBackoffMsMax = 10 * 60_000;
/** Pushes to one repository in one look, and tries of one push that another writer was before. */
export const stageRefPushesPerLookMax = 100;
export const stageRefTriesMax = 3;

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
export const httpConnectionsMax = 10_000;
export const httpRequestTimeoutMs = 30_000;
/** How long requests under way may take once the server closes. */
export const httpDrainMs = 2_000;
/** Namespaces of one install: the agent watches each kind in each of them. */
export const installNamespacesMax = 50;
export const joinTokenLifetimeMs = 600_000;

/** The read model. */
export const readModelBatchEntriesMax = 500;
export const readModelWaitersMax = 10_000;
/** How often the log is looked at without a wake, for entries of other processes. */
export const readModelPollIntervalMs = 1_000;
export const readModelRetryMs = 1_000;

/** The hub's connection to the message bus. */
export const busConnectTimeoutMs = 5_000;
export const busRequestTimeoutMs = 4_000;
export const busReconnectWaitMs = 250;
export const busReconnectJitterMs = 500;
/** How often the report stream is compared with what was read, to notice a lost store. */
export const streamCheckIntervalMs = 10_000;
export const streamDuplicateWindowMs = 120_000;
export const auditStreamBytesMax = 1024 * 1024 * 1024;
/** One cluster's audit messages that may wait; its agent keeps what does not fit. */
export const auditStreamMessagesPerClusterMax = 10_000;
export const auditBatchMessagesMax = 256;
export const auditEventsPerAppendMax = 500;
export const auditAckWaitMs = 30_000;
export const auditDetailsBytesMax = 8_192;
export const reportStreamBytesMax = 1024 * 1024 * 1024;
export const reportStreamAgeMsMax = 7 * 24 * 3_600_000;
export const reportStreamMessagesPerClusterMax = 20_000;
export const reportBatchMessagesMax = 256;
/** Unhealthy objects that one report lists. */
export const reportObjectsMax = 50;
/** Objects of a held prune that one report names. */
export const reportHeldObjectsMax = 20;
export const digestCharactersMax = 64;
/** Objects whose drift one report describes, fields of each, managers of each, and characters of each value. */
export const reportDriftsMax = 20;
export const driftDifferencesMax = 20;
export const driftManagersMax = 20;
export const driftValueCharactersMax = 1_024;
/** Free text of an agent, each. */
export const agentTextCharactersMax = 4_096;
export const invalidMessagesLoggedPerMinuteMax = 20;

// Commands.

/** Folded states that are kept so that a command reads only what is new; the least recently used goes first. */
export const foldedStreamsMax = 8_000;
/** The same refusal of the same subject is recorded once in this time. */
export const refusalCoalesceMs = 60_000;
/** Different refusals recorded in that time; what comes beyond is refused all the same, but not recorded. */
export const refusalsRecordedMax = 600;
/** Text of one recorded refusal. */
export const refusalDetailCharactersMax = 1_000;
/** Agents' audit events that one append takes, with room for a gap before each. */
export const agentAuditBatchMax = 400;
/** Agents whose audit watermarks are kept in memory. */
export const agentAuditStreamsMax = 8_000;
export const accountPushTriesMax = 4;

// Statuses of commits, and approvals.

/** A status of a commit that is no release is kept this long for its discovery, and so many of a repository. */
export const statusEarlyMs = 24 * 3_600_000;
export const statusesEarlyMax = 5_000;
/** Statuses that one decision about a pipeline looks at: of its newest releases. */
export const statusesLookedAtMax = 5_000;
export const statusNameCharactersMax = 100;
export const statusDescriptionCharactersMax = 500;
export const urlCharactersMax = 2_000;
/** What a token says of its owner. */
export const subjectNameCharactersMax = 100;
export const personGroupsMax = 50;
export const personEmailsMax = 20;

// The command line.

export const cliRequestTimeoutMs = 30_000;
/** Items that one page of a list asks for. */
export const cliPageItems = 200;
export const cliInputBytesMax = 1024 * 1024;
/** Stages that wait for something and are explained in `fairlead status`. */
export const cliExplanationsMax = 20;
/** Freezes that `fairlead status` lists. */
export const cliFreezesMax = 10;
export const cliWaitPollIntervalMs = 500;
export const cliReconnectDelayMs = 1_000;

// The agents' link (gRPC).

export const connectionsPerListenerMax = 20_000;
export const streamsPerConnectionMax = 16;
/** A connection that answers no ping is ended after both times. */
export const linkPingIntervalMs = 10_000;
export const linkPingTimeoutMs = 10_000;
export const linkReceiveBytesMax = 4 * 1024 * 1024;
export const linkSendBytesMax = 4 * 1024 * 1024;
export const enrolmentReceiveBytesMax = 65_536;
/** An agent that takes nothing for this long is cut. */
export const slowReaderTimeoutMs = 30_000;
export const knownAssignmentsMax = 20_000;
/** How often streams are looked at for expiry, signs of life and copies. */
export const linkTickMs = 5_000;
export const keepAliveIntervalMs = 15_000;
/** Two instances of one identity that live side by side this long are copies: more than a dead connection lasts. */
export const clonedOverlapMs = 45_000;
export const instancesPerClusterMax = 8;
/** A cut agent has this long to receive the reason before its connection is ended. */
export const cutGraceMs = 500;
export const treeChunkBytesMax = 256 * 1024;
export const treeFurtherMax = 31;
/** An answer that is larger takes up no further root. */
export const treeFurtherBytesMax = 1024 * 1024;
export const treeFetchesPerClusterMax = 4;
export const treeFetchesMax = 32;
/** How long the hub waits for an agent's plan; the agent gives up a little earlier and says so. */
export const planTimeoutMs = 25_000;
/** Plans that one agent, and all agents together, are asked for at once. */
export const plansPerClusterMax = 2;
export const plansMax = 64;
/** Objects of one plan, and bytes of all its messages; what is beyond is counted. */
export const planObjectsMax = 1_000;
export const planBytesMax = 8 * 1024 * 1024;
/** Clusters that one request is planned for. */
export const planClustersMax = 20;
export const enrolmentRefusalsPerMinuteMax = 10;
export const enrolmentAddressesMax = 10_000;
export const enrolmentsWaitingPerAddressMax = 5_000;
export const joinTokenCharactersMax = 256;
export const claimsMax = 32;
export const claimCharactersMax = 256;
export const versionCharactersMax = 64;

/** A read model that is further behind than this makes the hub not ready. */
export const readModelLagMsMax = 5_000;
/** Commands of this hub that wait for their turn on one stream. */
export const commandsWaitingMax = 1_000;

/** A hub that starts waits this long for the reports that the bus holds before it decides without them. */
export const reportsCatchUpMsMax = 15_000;

/** Agents come back over this time after a lost connection: 33 a second, and over a minute at the most. */
export const reconnectSpreadPerClusterMs = 30;
export const reconnectSpreadMsMin = 250;
export const reconnectSpreadMsMax = 60_000;

/** The git program's answer to who it is. */
export const gitVersionMsMax = 5_000;

// Verifications and metrics.
/** Runs that one cluster is told of at once; the others follow as these end. */
export const verificationRunsListedMax = 100;
/** All runs of one message to an agent. */
export const verificationRunsBytesMax = 2 * 1024 * 1024;
export const verificationLogCharactersMax = 32 * 1024;
/** Runs of a pipeline, the newest, whose logs are kept. */
export const verificationLogsKeptMax = 500;
/** Words for what an agent can do, in one request. */
export const agentFeaturesMax = 32;
export const agentFeatureCharactersMax = 64;
/** Samples of an analysis are kept this long after its end. */
export const metricSamplesKeptMs = 7 * 24 * 3_600_000;
export const metricQueriesInFlightMax = 8;
export const metricQueryMsMax = 10_000;
export const metricAnswerBytesMax = 1024 * 1024;
export const metricMessageCharactersMax = 300;
/** However short a rule's interval is. */
export const metricIntervalMsMin = 1_000;
/** Analyses are looked at this often when nothing else makes the hub look. */
export const metricSweepMs = 60_000;

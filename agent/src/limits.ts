// Every queue, message, retry and wait of the agent has its limit here, with the unit last in its name.

/** Messages to the bus stay below this, well under the broker's own limit. */
export const busMessageBytesMax = 64 * 1024;

// Git objects and trees.
/** A larger blob is refused: a manifest or a chart archive is far below. */
export const gitObjectBytesMax = 32 * 1024 * 1024;
/** One fetched tree, over all its objects. */
export const gitTreeBytesMax = 256 * 1024 * 1024;
export const gitTreeObjectsMax = 50_000;
/** Nesting of folders; a deeper tree is hostile. */
export const gitTreeDepthMax = 64;
export const gitPathBytesMax = 1_024;
/** A larger object is a file of its own and no row of the journal, which is checked as a whole at each start. */
export const gitObjectRowBytesMax = 32 * 1024;
/** Objects that were just written or read and stay in memory for the next step. */
export const gitRecentBytesMax = 2 * 1024 * 1024;
/** Rows that one transaction of a sweep removes. */
export const gitSweepRowsMax = 500;
/** Objects of one fetch that are written together. */
export const gitWriteObjectsMax = 256;
export const gitWriteBytesMax = 1024 * 1024;
/** Entries of parsed trees above the roots that stay in memory; a larger tree is parsed each time. */
export const gitPathTreeEntriesMax = 10_000;
/** Commits whose top tree stays in memory. */
export const gitPathCommitsMax = 256;
/** Ids of objects that are known to be in the store, so that they are not hashed and compared again. */
export const gitKnownObjectsMax = 4_096;
/** Objects of trees that no assignment needs are kept this long, so that a roll back needs no fetch. */
export const gitTreeIdleMsMax = 7 * 24 * 3_600_000;
/** An object younger than this is never swept, because a fetch that needs it may be under way. */
export const gitSweepAgeMsMin = 3_600_000;
/** Files of trees whose lists stay in memory, for units that share a root. */
export const openedTreeFilesMax = 2_000;
/** Folders written out from trees; the least recently used goes first. */
export const treeFoldersMax = 256;
/** A file up to this size is read and written at once; a larger one goes through the thread pool. */
export const smallFileBytesMax = 256 * 1024;
/** Small files after which the event loop runs. */
export const smallFilesInRowMax = 64;

// Rendering.
export const renderOutputBytesMax = 64 * 1024 * 1024;
export const renderErrorBytesMax = 64 * 1024;
export const renderObjectsMax = 20_000;
/** Nesting of one object. */
export const renderObjectDepthMax = 100;
export const renderDurationMsMax = 60_000;
/** Between the request to end and the kill of a tool's process group. */
export const renderKillGraceMs = 1_000;
/** Tools that run at once. */
export const renderProcessesMax = 4;
/** Processes of the render host at once. */
export const renderHostsMax = 2;
/** One of them; a rendering that needs more is refused. */
export const renderHostMemoryBytesMax = 384 * 1024 * 1024;
/** Renderings after which a process of the render host is replaced. */
export const renderHostRendersMax = 200;
export const renderHostIdleMs = 3_000;
/** All values files of one chart. */
export const helmValuesBytesMax = 4 * 1024 * 1024;
/** Template files of a chart that are searched for what cannot work. */
export const chartFilesLookedAtMax = 2_000;
/** What the cluster serves is read again for charts after this time. */
export const capabilitiesAgeMsMax = 60_000;
/** Manifest files of one path. */
export const renderFilesMax = 5_000;
export const renderCacheBytesMax = 256 * 1024 * 1024;
export const renderCacheEntriesMax = 4_096;

// Signatures and the cluster's policy.
/** OpenPGP signatures of one commit that are looked at. */
export const commitSignaturesMax = 8;
/** A signature may be this much newer than the agent's clock. */
export const signatureClockSkewMsMax = 600_000;
/** ConfigMap with the cluster's policy. */
export const policyBytesMax = 256 * 1024;
/** The policy and the trusted keys are read again after this time, and at once when a watch tells of a change. */
export const policyAgeMsMax = 5_000;
/** ConfigMaps and Secrets of trusted keys that are remembered. */
export const trustSourcesMax = 64;
/** Verdicts on commits that are kept, by commit and keys. */
export const commitVerdictsMax = 1_024;

// Decryption.
/** A Unix socket's address holds this many bytes on every system that the agent runs on. */
export const sopsSocketPathBytesMax = 103;
/** Keys of a Secret are used this long before the Secret is read again. */
export const sopsKeysAgeMsMax = 10_000;
/** One encrypted file. */
export const sopsFileBytesMax = 8 * 1024 * 1024;

// Journal.
/** Audit events that wait for the hub; beyond it one gap record counts what was dropped. */
export const auditOutboxRowsMax = 200_000;
/** Audit events and reports together. */
export const outboxBytesMax = 256 * 1024 * 1024;
export const auditMessageBytesMax = 4 * 1024;
export const auditDetailsBytesMax = 8 * 1024;
/** Damaged journals kept aside for a person to look at. */
export const journalQuarantinesMax = 3;

// Verification runs.
/** Runs that one list of the hub may hold; the rest of a longer one waits. */
export const verificationRunsMax = 100;
/** Those that are worked on at once. */
export const verificationRunsInParallelMax = 8;
/** Pause after a failed try to start a Job; it doubles. */
export const verificationRetryMsMin = 1_000;
export const verificationRetryMsMax = 30_000;
/** A Job whose end no watch told of is looked at after this time. */
export const verificationLookMs = 30_000;
/** The API server has marked the Job's end by then, so that the agent need not stop it. */
export const verificationStopGraceMs = 5_000;
export const verificationPodsMax = 5;
export const verificationContainersMax = 10;
export const verificationLogLinesMax = 1_000;
/** Read of one container, to have the end of it. */
export const verificationLogReadBytesMax = 512 * 1024;
export const verificationPodLogBytesMax = 16 * 1024;
export const verificationLogBytesMax = 32 * 1024;
export const verificationMessageBytesMax = 2 * 1024;
/** Reading the logs of one run. */
export const verificationLogMsMax = 20_000;
/** A result that the bus has, of a run that the hub still lists, is sent again after this time. */
export const verificationResendMs = 60_000;
/** Runs that were dropped and are remembered, so that none is run twice. */
export const verificationRunsRememberedMax = 1_000;

// Hub link.
export const linkBackoffMsMin = 200;
export const linkBackoffMsMax = 30_000;
/** Silence on the assignment watch after which the connection counts as half open. */
export const linkIdleMsMax = 45_000;
export const linkCallMsMax = 30_000;
export const linkKeepAliveMs = 20_000;
export const linkKeepAliveAnswerMsMax = 10_000;
export const linkMessageBytesMax = 4 * 1024 * 1024;
export const fetchDurationMsMax = 300_000;
/** Silence within one fetch. */
export const fetchIdleMsMax = 30_000;
export const fetchHaveCommitsMax = 16;
export const fetchHaveObjectsMax = 64;
/** Fetches at once; the hub refuses more than a few of one cluster. */
export const fetchesInFlightMax = 4;
/** Trees of one commit in one call, with the one it is for; the hub takes no more. */
export const fetchedTogetherMax = 32;
/** The connection of fetches is kept this long for the next one. */
export const fetchLinkIdleMs = 10_000;
/** Tries to enrol after a refusal: rarely, so that a revoked cluster does not knock. */
export const enrolRefusedMsMin = 60_000;
export const enrolRefusedMsMax = 300_000;
export const identityBytesMax = 256 * 1024;
/** Agents spread their return to the bus over this time, so that a restarted node is not overrun. */
export const busReconnectSpreadMs = 30_000;
/** The hub may ask for a wider spread, up to this. */
export const busReconnectSpreadMsMax = 120_000;
/** However small the fleet, tries to reach the hub are up to this far apart. */
export const reconnectPauseMsMin = 2_000;
export const busConnectMsMax = 10_000;
export const busPingMs = 15_000;
export const busPingsUnansweredMax = 2;
export const busAckMsMax = 10_000;
export const beatIntervalMsMin = 1_000;
export const beatIntervalMsMax = 300_000;
/** Audit events of one message; the next one goes when the hub has them in its log. */
export const auditWindowEventsMax = 512;
/** Between the beginnings of two messages: events close together cost the hub one append. */
export const auditRoundMsMin = 400;
/** Published audit events that the hub has not confirmed for this long are sent again. */
export const auditResendMs = 60_000;
export const auditResendMsMax = 600_000;
/** Room that is kept in a bus message for its envelope. */
export const busEnvelopeBytesMax = 1_024;
export const reportsInFlightMax = 64;
/** A unit may send this many reports at once, then one each interval. */
export const reportBurstMax = 6;
export const reportIntervalMs = 5_000;
/** Between the beginnings of two rounds of reports. */
export const reportRoundMsMin = 50;
/** The same while this many reports a second go out: those close together cost the hub one write. */
export const reportRoundCrowdedMsMin = 500;
export const reportsPerSecondCrowdedMin = 8;
export const reportObjectsMax = 50;
/** Objects whose drift one report describes. */
export const reportDriftsMax = 20;
export const reportMessageBytesMax = 4 * 1024;
export const reportObjectMessageBytesMax = 1_024;

// Kubernetes API.
/** Namespaces of an agent that does not work in the whole cluster: each costs a watch a kind. */
export const watchNamespacesMax = 50;
/** Requests that wait for an answer, watches apart. */
export const apiRequestsInFlightMax = 24;
export const apiRequestMsMax = 60_000;
/** Silence after which a connection is asked whether it lives. */
export const apiKeepAliveMs = 15_000;
export const apiTriesMax = 6;
/** How long one request is held back by a server that asks to wait. */
export const apiRefusedMsMax = 120_000;
export const apiBackoffMsMin = 100;
export const apiBackoffMsMax = 10_000;
/** One answer: a page of a list, or an object. */
export const apiAnswerBytesMax = 64 * 1024 * 1024;
export const apiListPageObjects = 500;
/** Credentials are read again after this time, because a service account's token changes. */
export const credentialsAgeMsMax = 30_000;
/** What the server serves is read again for an unknown kind, but not more often than this. */
export const discoveryAgeMsMin = 500;
/** The server ends a watch after this time; it is taken up where it ended. */
export const watchDurationSeconds = 600;
/** Beyond this age a list is made anew when its watch ends. */
export const listAgeMsMax = 1_800_000;
/** The server sends a bookmark about each minute. */
export const watchIdleMsMax = 150_000;
export const watchBackoffMsMin = 100;
export const watchBackoffMsMax = 10_000;
/** One object: the API server itself refuses larger ones. */
export const watchLineBytesMax = 8 * 1024 * 1024;

// Reconciling.
/** Units that work at once; one that waits for health does not count. */
export const unitsInParallelMax = 24;
/** Units whose content comes along with that of another one. */
export const upcomingUnitsMax = fetchedTogetherMax - 1;
/** Requests of one unit at once, so that a large unit leaves room for others. */
export const unitRequestsInFlightMax = 12;
/** Work on many objects gives way to the event loop after this time. */
export const workHeldMsMax = 20;
/** The event loop runs between the steps of a turn over so many objects. */
export const workObjectsHeldMax = 1_000;
/** Times that one object is looked at again because others write it while it is applied. */
export const writeRoundsMax = 4;
/** Objects that another tool applies as well, named in a unit's message. */
export const rivalsShownMax = 3;
/** Conflicting fields named in one message. */
export const conflictsShownMax = 5;
/** Pause between two looks for a kind that the unit has just defined. */
export const kindLookMs = 250;
/** Pause after a failed try; it doubles, with jitter. */
export const unitRetryMsMin = 1_000;
export const unitRetryMsMax = 120_000;
/** Changes within this time go into one report; a phase that ends the work does not wait. */
export const unitReportDelayMs = 200;
/** The same while more units want to work than may; what lies between a unit's beginning and its end tells little then. */
export const unitReportDelayCrowdedMs = 2_000;
/** Reports of a large unit wait a millisecond more for so many of its objects: 20,000 are reported once a second. */
export const unitObjectsReportedPerMs = 20;
/** The unit's object in the cluster is written at most this often while only its health changes. */
export const unitStatusIntervalMs = 10_000;
/** A unit that is not at an end yet shows in its object after this time. */
export const unitStatusProgressMs = 3_000;
/** While units have work, one object is written in this time, so that those of a thousand units cost the work little. */
export const unitStatusBusyPauseMs = 500;
/** Writes of units' objects at once, so that they never stand in the way of the units' own. */
export const unitStatusWritesMax = 4;
export const unitMessageCharactersMax = 2_000;
/** A unit looks at its objects' health at most once in a millisecond for so many of them. */
export const unitObjectsLookedAtPerMs = 40;
export const unitLookDelayMsMax = 250;
/** Keys named in one audit entry. */
export const auditObjectsMax = 50;
/** One plan that the hub asks for, from its request to the answer; the hub waits a little longer. */
export const planMsMax = 20_000;
export const plansInParallelMax = 2;
export const planRequestsInFlightMax = 6;
/** Objects that one plan describes; all are counted. */
export const planObjectsMax = 1_000;
/** Rendered objects that stay in memory for repairs, as text over all units; others are rendered again. */
export const renderedBytesMax = 24 * 1024 * 1024;
/** A new custom resource that has no status is believed to keep none after this time. */
export const firstStatusMsMax = 5_000;
/** A workload that is on its way for this long is asked for its pods; the pause before the next look doubles. */
export const podsLookDelayMs = 1_000;
export const podsLookIntervalMsMax = 5_000;
/** Workloads of one unit whose pods are looked at in one turn. */
export const podsLooksMax = 3;
/** Over all units. */
export const podsLooksPerSecondMax = 20;
/** Pods of one workload that are looked at. */
export const podsOfWorkloadMax = 100;
/** How long one step of a prune waits for its objects to be gone before the next step begins. */
export const pruneStepMsMax = 30_000;
/** Objects of a held prune that the report names. */
export const pruneHeldNamedMax = 20;
/** Objects of one kind that are looked at before a namespace or a definition goes; a full answer counts as in use. */
export const heldObjectsLookMax = 500;
export const heldObjectsNamedMax = 5;
/** How long a first list of a kind may take before the unit says that it cannot be watched. */
export const watchFirstListMsMax = 30_000;
export const driftDifferencesMax = 20;
/** One value of a difference, as JSON. */
export const driftValueCharactersMax = 200;
/** On the wire. */
export const driftPathBytesMax = 512;
export const driftValueBytesMax = 1_024;
/** Differences of one audit entry; the rest of its details needs room too. */
export const driftDetailsBytesMax = 6 * 1024;
/** More repairs of one object than this within the window are a fight with another manager. */
export const fightRepairsMax = 10;
export const fightWindowMs = 60_000;
/** Pause between repairs in a fight; it doubles. */
export const fightDelayMsMin = 5_000;
export const fightDelayMsMax = 300_000;

// Local health and metrics.
export const healthConnectionsMax = 32;
export const healthRequestMsMax = 5_000;
export const healthHeaderBytesMax = 8 * 1024;

// The program.
/** Pause between tries to read the cluster's identity at the start. */
export const clusterUidRetryMs = 2_000;
/** Unused trees are looked for this often. */
export const garbageIntervalMs = 3_600_000;

// Health of files.
/** One input, well below the longest text that the runtime can hold. */
export const offlineBytesMax = 256 * 1024 * 1024;

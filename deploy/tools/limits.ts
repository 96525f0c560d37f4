// Every wait of the tool finder has its limit here.

/** A cold build of kube-apiserver takes about four minutes on two cores; slow machines get time. */
export const buildTimeoutMs = 60 * 60_000;

/** Printing a version takes milliseconds; the slack is for a machine that is busy building. */
export const versionTimeoutMs = 30_000;

/** Downloading one module through the proxy. */
export const downloadTimeoutMs = 10 * 60_000;

/** How often a running build says that it is still running. */
export const progressIntervalMs = 10_000;

/** A builder touches its lock this often. */
export const lockTouchIntervalMs = 5_000;

/** A lock not touched for this long belongs to a builder that died. */
export const lockStaleAfterMs = 60_000;

/** How often a process that waits for another's build looks again. */
export const lockPollIntervalMs = 500;

/** Memory that linking one component of Kubernetes needs at its peak, and the same for the rest. */
export const kubernetesBuildBytes = 4 * 1024 ** 3;
export const otherBuildBytes = 2 * 1024 ** 3;

/** What is kept of a failed build's output for the error message. */
export const buildOutputMaxCharacters = 4_000;

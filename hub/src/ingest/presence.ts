import type { ClusterId } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';

export type PresenceEntry = {
  /** The hub's clock. */
  readonly lastSeenAt: Instant;
  readonly instanceId: string;
  readonly agentVersion: string;
  /** What it can do beyond the protocol's first version, as its watch said. */
  readonly features?: readonly string[];
  /** Agent's clock minus the hub's, from its last beat: shown, and decides nothing. */
  readonly clockSkewMs?: number;
  readonly unitsTotal?: number;
  readonly auditOutboxLength?: number;
};

export type Presence = {
  readonly seen: (cluster: ClusterId, entry: PresenceEntry) => void;
  readonly of: (cluster: ClusterId) => PresenceEntry | undefined;
  readonly forget: (cluster: ClusterId) => void;
};

/** Who was heard since this hub started, by beats and live streams. Only authenticated clusters get in, so it is bounded. */
export function createPresence(): Presence {
  const entries = new Map<ClusterId, PresenceEntry>();
  return {
    seen: (cluster, entry) => {
      const before = entries.get(cluster);
      // A stream's sign of life says less than a beat: what the last beat of the same process said stays.
      const kept = before?.instanceId === entry.instanceId ? before : {};
      entries.set(cluster, {
        ...kept,
        ...entry,
        lastSeenAt: Math.max(entry.lastSeenAt, before?.lastSeenAt ?? 0),
      });
    },
    of: (cluster) => entries.get(cluster),
    forget: (cluster) => {
      entries.delete(cluster);
    },
  };
}

import type { ClusterId } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Clock, Instant } from '@fairlead/shared/time';
import type { CommandHandler } from '../commands/index.ts';
import type { Actor } from '../decision-log/index.ts';
import { offlineAfterMs } from '../limits.ts';
import { createReactor, type Reactor } from './reactor.ts';

const actor: Actor = { kind: 'hub', name: 'fleet' };

export type Presence = {
  readonly lastSeenAt: Instant;
  readonly instanceId: string;
  readonly agentVersion: string;
};

export type FleetReactorOptions = {
  readonly commands: CommandHandler;
  readonly clusters: () => readonly {
    readonly id: ClusterId;
    readonly name: string;
    readonly status: string;
    readonly lastSeenAt?: Instant | null;
  }[];
  /** From beats and live streams since this hub started. */
  readonly presenceOf: (cluster: ClusterId) => Presence | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

/**
 * Writes the changes of a cluster between connected and offline; the beats themselves never reach the log. After a
 * start of the hub nobody turns offline before one whole period in which an agent could have been heard.
 */
export function createFleetReactor(options: FleetReactorOptions): Reactor {
  const { commands, clusters, presenceOf, clock, signal, logger } = options;
  const startedAt = clock.now();

  const judge = async (cluster: ReturnType<typeof clusters>[number], now: Instant) => {
    const presence = presenceOf(cluster.id);
    const heardAt = Math.max(presence?.lastSeenAt ?? 0, startedAt);
    const silentMs = now - heardAt;
    if (presence && silentMs < offlineAfterMs && ['enrolled', 'offline'].includes(cluster.status)) {
      const { instanceId, agentVersion } = presence;
      await commands.cluster(
        cluster.name,
        { type: 'record-connected', instanceId, agentVersion },
        actor,
      );
    }
    if (silentMs >= offlineAfterMs && ['enrolled', 'connected'].includes(cluster.status)) {
      const lastSeenAt = presence?.lastSeenAt ?? cluster.lastSeenAt ?? 0;
      await commands.cluster(cluster.name, { type: 'record-offline', lastSeenAt }, actor);
    }
  };

  return createReactor({
    name: 'fleet',
    signal,
    logger,
    run: async () => {
      const now = clock.now();
      for (const cluster of clusters()) await judge(cluster, now);
      return Math.ceil(offlineAfterMs / 5);
    },
  });
}

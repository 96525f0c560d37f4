import type { LinkServiceClient } from '@fairlead/proto';
import { fetchLinkIdleMs } from '../limits.ts';
import { openLink } from './channel.ts';
import type { HubIdentity } from './hub-identity.ts';

export type FetchLink = {
  readonly client: LinkServiceClient;
  readonly release: () => void;
  /** The next fetch connects anew. */
  readonly drop: () => void;
};

/** One connection for fetches close together: a TLS handshake costs more than most trees. */
export function createFetchLinks() {
  type Held = { client: LinkServiceClient; serial: string; users: number; idle?: NodeJS.Timeout };
  let held: Held | undefined;
  const closeUnused = (link: Held): void => {
    clearTimeout(link.idle);
    if (link.users === 0) link.client.close();
  };
  const retire = (link: Held): void => {
    if (held === link) held = undefined;
    closeUnused(link);
  };

  return {
    take: (identity: HubIdentity): FetchLink => {
      if (held && held.serial !== identity.serial) retire(held);
      held ??= { client: openLink(identity), serial: identity.serial, users: 0 };
      const link = held;
      clearTimeout(link.idle);
      link.users++;
      return {
        client: link.client,
        drop: () => retire(link),
        release: () => {
          link.users--;
          if (link.users > 0) return;
          if (held !== link) closeUnused(link);
          else link.idle = setTimeout(() => retire(link), fetchLinkIdleMs).unref();
        },
      };
    },
  };
}

import type { ClusterEvent } from '../../../hub/src/domain/fleet/events.ts';
import type { LogRow } from './observation.ts';

export type ClusterFacts = {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly enrolled: boolean;
  readonly revoked: boolean;
};

/** Which clusters there are, by the log. */
export function createFleetFacts() {
  const clusters = new Map<string, ClusterFacts>();
  const change = (name: string, next: Partial<ClusterFacts>) => {
    const known = clusters.get(name);
    if (known) clusters.set(name, { ...known, ...next });
  };
  return {
    take: ({ stream, type, data }: LogRow) => {
      const name = stream.slice('cluster/'.length);
      const event = { type, ...JSON.parse(data) } as ClusterEvent;
      switch (event.type) {
        case 'ClusterAdded': {
          const { id, labels } = event;
          clusters.set(name, { id, name, labels, enrolled: false, revoked: false });
          return;
        }
        case 'ClusterLabelsChanged':
          return change(name, { labels: event.labels });
        case 'ClusterEnrolled':
          return change(name, { enrolled: true });
        case 'ClusterRevoked':
          return change(name, { revoked: true });
        case 'ClusterRemoved':
          clusters.delete(name);
          return;
        default:
          return;
      }
    },
    members: (stage: string): ClusterFacts[] =>
      [...clusters.values()].filter(
        ({ labels, enrolled, revoked }) => labels.environment === stage && enrolled && !revoked,
      ),
    isMember: (id: string): boolean =>
      [...clusters.values()].some((cluster) => cluster.id === id && !cluster.revoked),
  };
}

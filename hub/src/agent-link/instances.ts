import type { Instant } from '@fairlead/shared/time';
import { clonedOverlapMs, instancesPerClusterMax } from '../limits.ts';

export type Instances = {
  /** Notes a sign of life; gives the instances that lived at the same time for too long, if there are such. */
  readonly seen: (cluster: string, instanceId: string, at: Instant) => readonly string[];
  readonly forget: (cluster: string) => void;
};

type Life = { readonly from: Instant; until: Instant };

/**
 * Tells a copied identity from a restart. Each process of an agent has an instance id; the lives of two processes that
 * follow each other do not overlap, but for as long as a dead connection takes to be noticed. Two that overlap for
 * longer are two agents with one identity.
 */
export function createInstances(overlapMs: number = clonedOverlapMs): Instances {
  const clusters = new Map<string, Map<string, Life>>();
  return {
    seen: (cluster, instanceId, at) => {
      const lives = clusters.get(cluster) ?? new Map<string, Life>();
      clusters.set(cluster, lives);
      const own = lives.get(instanceId) ?? { from: at, until: at };
      own.until = Math.max(own.until, at);
      lives.delete(instanceId);
      lives.set(instanceId, own);
      const oldest = lives.size > instancesPerClusterMax ? lives.keys().next().value : undefined;
      if (oldest !== undefined) lives.delete(oldest);
      const others = [...lives].filter(
        ([id, life]) => id !== instanceId && overlap(own, life) >= overlapMs,
      );
      return others.length === 0 ? [] : [...others.map(([id]) => id), instanceId];
    },
    forget: (cluster) => {
      clusters.delete(cluster);
    },
  };
}

const overlap = (left: Life, right: Life): number =>
  Math.min(left.until, right.until) - Math.max(left.from, right.from);

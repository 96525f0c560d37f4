import type { Chance } from './chance.ts';
import type { VirtualTime } from './virtual-time.ts';

export type NetworkFaults = {
  /** Each a probability. */
  readonly loss: number;
  readonly duplicate: number;
  /** A message that overtakes or is overtaken by others, by minutes. */
  readonly late: number;
  /** That an assignment on its way is answered by a healthy report that is not about it: an agent gone wrong. */
  readonly stray: number;
  readonly delayMsMax: number;
};

export const calmNetwork: NetworkFaults = {
  loss: 0,
  duplicate: 0,
  late: 0,
  stray: 0,
  delayMsMax: 30,
};

/** What lies between the hub and its agents. Messages may be lost, doubled, delayed and reordered. */
export type Network = {
  readonly send: (cluster: string, deliver: () => void) => void;
  readonly goesStray: () => boolean;
  readonly cut: (cluster: string, durationMs: number) => void;
  readonly isCut: (cluster: string) => boolean;
  /** Faults end here: cuts heal, and every message from now on arrives once and soon. */
  readonly calm: () => void;
};

export function createNetwork(options: {
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly faults: NetworkFaults;
  /** A cluster was cut off or came back. */
  readonly onReach: (cluster: string) => void;
}): Network {
  const { time, chance, onReach } = options;
  let { faults } = options;
  let cuts = new Map<string, number>();
  const isCut = (cluster: string) => time.nowMs() < (cuts.get(cluster) ?? 0);
  const deliverLater = (cluster: string, deliver: () => void) => {
    const lateMs = chance.happens(faults.late) ? chance.between(1_000, 90_000) : 0;
    time.after(1 + chance.below(faults.delayMsMax) + lateMs, () => {
      if (!isCut(cluster)) deliver();
    });
  };
  return {
    send: (cluster, deliver) => {
      if (isCut(cluster) || chance.happens(faults.loss)) return;
      deliverLater(cluster, deliver);
      if (chance.happens(faults.duplicate)) deliverLater(cluster, deliver);
    },
    goesStray: () => chance.happens(faults.stray),
    cut: (cluster, durationMs) => {
      const untilMs = Math.max(cuts.get(cluster) ?? 0, time.nowMs() + durationMs);
      cuts.set(cluster, untilMs);
      onReach(cluster);
      time.after(untilMs - time.nowMs(), () => onReach(cluster));
    },
    isCut,
    calm: () => {
      const cutOff = [...cuts.keys()];
      cuts = new Map();
      faults = calmNetwork;
      for (const cluster of cutOff) onReach(cluster);
    },
  };
}

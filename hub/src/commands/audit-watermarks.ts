import type { DecisionLog } from '../decision-log/index.ts';
import type { AgentAuditEvent } from '../domain/events.ts';

export type StreamWatermarks = {
  readonly version: number;
  /** The last sequence of an agent's epochs. */
  readonly byEpoch: ReadonlyMap<string, number>;
  /** Whether the whole stream was read, so that an epoch that is not in the map is new. */
  readonly complete: boolean;
};

/**
 * How far each agent's audit is in the log. The last entry of a stream tells it for the epoch that is going on; only an
 * epoch that the last entry does not name makes the whole stream to be read, so a restarted hub need not read all.
 */
export function createAuditWatermarks(log: DecisionLog, streamsMax: number) {
  const kept = new Map<string, StreamWatermarks>();
  const keep = (stream: string, watermarks: StreamWatermarks): StreamWatermarks => {
    kept.delete(stream);
    kept.set(stream, watermarks);
    const oldest = kept.size > streamsMax ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    return watermarks;
  };

  const extend = async (stream: string, from: StreamWatermarks): Promise<StreamWatermarks> => {
    let { version } = from;
    let { byEpoch } = from;
    for await (const recorded of log.readStream(stream, version + 1)) {
      byEpoch = raised(byEpoch, [recorded.event as AgentAuditEvent]);
      version = recorded.version;
    }
    return { ...from, version, byEpoch };
  };

  const fromLast = async (stream: string): Promise<StreamWatermarks> => {
    const last = await log.lastOfStream(stream);
    if (last === undefined) return { version: 0, byEpoch: new Map(), complete: true };
    const byEpoch = raised(new Map(), [last.event as AgentAuditEvent]);
    return { version: last.version, byEpoch, complete: false };
  };

  return {
    keep,
    /** Up to date with the log, and knowing `agentEpoch` if the log does. */
    read: async (stream: string, agentEpoch: string): Promise<StreamWatermarks> => {
      const known = kept.get(stream);
      const current = known ? await extend(stream, known) : await fromLast(stream);
      if (current.complete || current.byEpoch.has(agentEpoch)) return keep(stream, current);
      const whole = { version: 0, byEpoch: new Map(), complete: true };
      return keep(stream, await extend(stream, whole));
    },
  };
}

/** The watermarks after these events. */
export function raised(
  byEpoch: ReadonlyMap<string, number>,
  events: readonly AgentAuditEvent[],
): ReadonlyMap<string, number> {
  const next = new Map(byEpoch);
  for (const event of events) {
    const sequence = event.type === 'AgentAudited' ? event.sequence : event.to;
    next.set(event.agentEpoch, Math.max(sequence, next.get(event.agentEpoch) ?? 0));
  }
  return next;
}

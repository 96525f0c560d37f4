import type { World } from '../parts/world.ts';
import type { Trace } from '../world/trace.ts';
import type { VirtualTime } from '../world/virtual-time.ts';
import { admissionProperties } from './admission-properties.ts';
import { agentProperties } from './agent-properties.ts';
import { type EndProperty, endProperties } from './end-properties.ts';
import { createFacts, type Facts } from './facts.ts';
import { healthOnRecord } from './health-fault.ts';
import type { LogRow, Observation, Observe } from './observation.ts';
import type { Violation } from './property.ts';
import { rolloutProperties } from './rollout-properties.ts';

export type Oracle = {
  readonly observe: Observe;
  readonly facts: Facts;
  readonly violation: () => Violation | undefined;
  /** What must be true when the faults have ended and time was given. */
  readonly finish: (world: World) => Promise<void>;
};

/** Looks at every step of a run; the first property that is broken ends it. */
export function createOracle(options: {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly world: () => World;
}): Oracle {
  const { time, trace, world } = options;
  const facts = createFacts();
  let violation: Violation | undefined;
  const failing =
    ({ name, meaning }: Pick<EndProperty, 'name' | 'meaning'>) =>
    (detail: string) => {
      if (violation) return;
      violation = { property: name, meaning, detail, atMs: time.nowMs() };
      trace.say(`! ${name}: ${detail}`);
    };
  const properties = [
    ...admissionProperties,
    healthOnRecord,
    ...rolloutProperties,
    ...agentProperties(() => world().repository),
  ].map((property) => property.watch(facts, failing(property)));

  return {
    facts,
    violation: () => violation,
    observe: (observation) => {
      if (violation) return;
      sayEntry(trace, observation);
      for (const look of properties) look(observation);
      facts.take(observation);
    },
    finish: async (ended) => {
      for (const property of endProperties) {
        const fault = await property.faultOf(ended, facts);
        if (fault) failing(property)(fault);
      }
    },
  };
}

const hidden = new Set(['definition', 'gates', 'type', 'message', 'evidence', 'releases']);

function sayEntry(trace: Trace, observation: Observation) {
  if (observation.type !== 'entry') return;
  const { row } = observation;
  if (row.stream.startsWith('agent-audit/')) return trace.note(`${row.stream} ${row.hash}`);
  trace.note(row.hash);
  trace.say(`log ${row.position} ${row.stream}: ${row.type} ${detailsOf(row)}`);
}

function detailsOf({ data }: LogRow): string {
  const entries = Object.entries(JSON.parse(data) as Record<string, unknown>);
  return entries
    .filter(([key]) => !hidden.has(key))
    .map(([key, value]) => {
      const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
      return `${key}=${/^c0[0-9a-f]{38}$/.test(text) ? text.slice(0, 6) : text.slice(0, 160)}`;
    })
    .join(' ');
}

import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '@fairlead/shared/time';
import type { Hub } from '../stack/index.ts';

/** An entry of the audit, as the API gives it; events differ by type, so their fields are read as they come. */
export type AuditEntry = {
  position: number;
  at: string;
  type: string;
  cluster?: string;
  // biome-ignore lint/suspicious/noExplicitAny: one entry has one of some thirty shapes.
  event: any;
};

export type Narrator = {
  readonly say: (line: string) => void;
  /** A step of the story: a heading, and the clock that its lines count from starts again. */
  readonly chapter: (title: string) => void;
  /** Tells what the audit holds from here on, until the wanted entry was told; throws at the limit. */
  readonly tellUntil: (
    what: string,
    wanted: (entry: AuditEntry) => boolean,
    limitMs?: number,
  ) => Promise<AuditEntry>;
  /** Everything that was told so far. */
  readonly told: () => readonly AuditEntry[];
  /** Takes up from the newest entry, leaving what lies between untold. */
  readonly skipToNow: () => Promise<void>;
};

const pollIntervalMs = 100;
const pageItems = 200;

/** Reads the hub's audit in order and says in words what happened, with the time since the chapter began. */
export function createNarrator(hub: Hub, write: (line: string) => void): Narrator {
  let startedAt = Date.now();
  let position = 0;
  const told: AuditEntry[] = [];
  const say = (line: string) => write(line);

  const nextEntries = async (): Promise<AuditEntry[]> => {
    const page = await hub.api('GET', `/audit?after=${position}&limit=${pageItems}`);
    return page.items;
  };

  return {
    say,
    told: () => told,
    chapter: (title) => {
      startedAt = Date.now();
      write(`\n── ${title}`);
    },
    skipToNow: async () => {
      for (;;) {
        const entries = await nextEntries();
        position = entries.at(-1)?.position ?? position;
        told.push(...entries);
        if (entries.length < pageItems) return;
      }
    },
    tellUntil: async (what, wanted, limitMs = 60_000) => {
      const deadline = Date.now() + limitMs;
      while (Date.now() < deadline) {
        for (const entry of await nextEntries()) {
          position = entry.position;
          told.push(entry);
          const line = describe(entry);
          if (line) {
            const elapsed = formatDuration(Math.max(0, Date.parse(entry.at) - startedAt));
            write(`   ${`+${elapsed}`.padStart(8)}  ${line}`);
          }
          if (wanted(entry)) return entry;
        }
        await sleep(pollIntervalMs);
      }
      throw new Error(`waited ${limitMs} ms for: ${what}`);
    },
  };
}

const short = (commit: string): string => commit.slice(0, 8);

/** One line for a person, or nothing for what would only be noise here. */
export function describe({ event, type, cluster }: AuditEntry): string | undefined {
  const where = event.clusterName ?? cluster;
  switch (type) {
    case 'BranchMoved':
      return `hub: branch ${event.branch} is at ${short(event.commit)}`;
    case 'ReleasesDiscovered':
      return event.releases
        .map(
          (r: { commit: string; subject: string }) =>
            `hub: release ${short(r.commit)} “${r.subject}”`,
        )
        .join('\n             ');
    case 'ReleaseAdmitted': {
      const gates = event.gates.map((gate: { gate: string }) => gate.gate).join(', ');
      return `hub: ${short(event.release)} admitted to ${event.stage}${gates ? ` (gates: ${gates})` : ''}`;
    }
    case 'TargetAssigned':
      return `hub: ${where} assigned ${short(event.release)}, generation ${event.generation} (${event.cause})`;
    case 'TargetSucceeded':
      return `hub: ${where} applied and healthy`;
    case 'TargetFailed':
      return `hub: ${where} failed: ${event.message}`;
    case 'RolloutSucceeded':
      return `hub: ${event.stage} has ${short(event.release)} (${event.targetsSucceeded} of ${event.targetsTotal} targets)`;
    case 'RolloutFailed':
      return `hub: rollout to ${event.stage} failed: ${event.failure.message}`;
    case 'StageHealthChanged':
      return `hub: ${event.stage} is ${event.health}${event.message ? ` (${event.message})` : ''}`;
    case 'ReleaseSuperseded':
      return `hub: ${short(event.release)} superseded by ${short(event.by)} in ${event.stage}`;
    case 'ClusterOffline':
    case 'ClusterConnected':
      return `hub: ${type === 'ClusterOffline' ? 'lost' : 'hears'} ${cluster ?? 'a cluster'}`;
    case 'AgentAudited':
      return event.kind === 'AssignmentAccepted'
        ? undefined
        : `${cluster ?? 'agent'} ${event.pipeline}/${event.stage}: ${event.kind}: ${event.message}`;
    default:
      return undefined;
  }
}

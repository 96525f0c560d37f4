import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '@fairlead/shared/time';
import type { Hub } from '../stack/index.ts';

/** An entry of the audit, as the API gives it; events differ by type, so their fields are read as they come. */
export type AuditEntry = {
  position: number;
  at: string;
  type: string;
  cluster?: string;
  pipeline?: string;
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
export function describe(entry: AuditEntry): string | undefined {
  const { event, type, cluster, pipeline } = entry;
  const where = event.clusterName ?? cluster;
  const stage = `${pipeline}/${event.stage}`;
  switch (type) {
    case 'BranchMoved':
      return `hub: branch ${event.branch} is at ${short(event.commit)}`;
    case 'ReleasesDiscovered':
      return event.releases
        .map(
          ({ commit, subject }: Release) =>
            `hub: ${pipeline} has release ${short(commit)} “${subject}”`,
        )
        .join('\n             ');
    case 'ReleaseAdmitted':
      return `hub: ${stage} admits ${short(event.release)}${gatesOf(event.gates)}`;
    case 'TargetAssigned':
      return `hub: ${stage} assigns ${short(event.release)} to ${where}, generation ${event.generation}`;
    case 'TargetSucceeded':
      return `hub: ${stage} is applied and healthy on ${where}`;
    case 'TargetFailed':
      return `hub: ${stage} failed on ${where}: ${event.message}`;
    case 'RolloutSucceeded':
      return `hub: ${stage} has ${short(event.release)} (${event.targetsSucceeded} of ${event.targetsTotal} targets)`;
    case 'RolloutFailed':
      return `hub: ${stage} stops ${short(event.release)}: ${event.failure.message}`;
    case 'StageHealthChanged':
      return `hub: ${stage} is ${event.health}${event.message ? ` (${event.message})` : ''}`;
    case 'ReleaseSuperseded':
      return `hub: ${stage} takes ${short(event.by)} in place of ${short(event.release)}`;
    case 'ClusterOffline':
    case 'ClusterConnected':
      return `hub: ${type === 'ClusterOffline' ? 'lost' : 'hears'} ${cluster ?? 'a cluster'}`;
    case 'AgentAudited':
      return event.kind === 'AssignmentAccepted'
        ? undefined
        : `${cluster ?? 'agent'}: ${event.pipeline}/${event.stage}: ${event.kind}: ${event.message}`;
    default:
      return undefined;
  }
}

type Release = { commit: string; subject: string };

/** Only gates that had something to say. */
function gatesOf(gates: readonly { gate: string; evidence: object }[]): string {
  const names = gates.filter(({ evidence }) => Object.keys(evidence).length > 0);
  return names.length === 0 ? '' : ` (${names.map(({ gate }) => gate).join(', ')})`;
}

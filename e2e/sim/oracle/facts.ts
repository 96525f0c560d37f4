import type { PipelineDefinition } from '../../../hub/src/domain/pipeline/index.ts';
import type { PipelineEvent, Snapshot } from '../../../hub/src/domain/promotion/index.ts';
import type { ReceivedReport } from '../parts/read-model.ts';
import { createFleetFacts } from './fleet-facts.ts';
import { createFreezeFacts } from './freeze-facts.ts';
import type { LogRow, Observation } from './observation.ts';
import { createStageFacts, type StageFacts } from './stage-facts.ts';

export type EventOf<Type extends PipelineEvent['type']> = Extract<PipelineEvent, { type: Type }>;

const parsed = new WeakMap<LogRow, PipelineEvent>();

/** Parsed once, because each property asks for it. */
export function eventOf(row: LogRow): PipelineEvent {
  const known = parsed.get(row);
  if (known) return known;
  const event = { type: row.type, ...JSON.parse(row.data) } as PipelineEvent;
  parsed.set(row, event);
  return event;
}

export const isPipeline = ({ stream }: LogRow): boolean => stream.startsWith('pipeline/');

/** The event of an observed entry of the pipeline's stream, or nothing for any other observation. */
export function pipelineEvent(observation: Observation): PipelineEvent | undefined {
  if (observation.type !== 'entry' || !isPipeline(observation.row)) return undefined;
  return eventOf(observation.row);
}

/** How many of the newest snapshots are kept to find the one of a decision. */
const snapshotsKept = 12;

/**
 * What the records alone say, folded by rules that are written down here a second time and not taken from the core:
 * a mistake would have to be made twice to stay unseen.
 */
export type Facts = ReturnType<typeof createFacts>;

export function createFacts() {
  const releases = new Map<string, { position: number; orphaned: boolean }>();
  const stages = new Map<string, StageFacts>();
  const definitions = new Map<number, PipelineDefinition>();
  const fleet = createFleetFacts();
  const freezes = createFreezeFacts();
  const reports: ReceivedReport[] = [];
  let snapshots: Snapshot[] = [];
  let revision = 0;
  let newestGeneration = 0;

  const stage = (name: string): StageFacts => {
    const known = stages.get(name) ?? createStageFacts(positionOf);
    stages.set(name, known);
    return known;
  };
  const positionOf = (commit: string): number => releases.get(commit)?.position ?? 0;

  const takePipeline = (event: PipelineEvent) => {
    switch (event.type) {
      case 'PipelineDefined':
        revision = event.revision;
        definitions.set(revision, event.definition);
        return;
      case 'ReleasesDiscovered':
        for (const { commit, position } of event.releases) {
          releases.set(commit, { position, orphaned: false });
        }
        return;
      case 'ReleasesOrphaned':
      case 'ReleasesRestored': {
        const orphaned = event.type === 'ReleasesOrphaned';
        for (const commit of event.commits) {
          releases.set(commit, { position: positionOf(commit), orphaned });
        }
        for (const known of stages.values()) known.branchChanged(orphaned ? event.commits : []);
        return;
      }
      default:
        if ('generation' in event && typeof event.generation === 'number') {
          newestGeneration = Math.max(newestGeneration, event.generation);
        }
        if ('stage' in event) stage(event.stage).take(event);
    }
  };

  return {
    stage,
    stages: () => stages,
    fleet,
    freezes,
    positionOf,
    isOrphaned: (commit: string) => releases.get(commit)?.orphaned === true,
    revision: () => revision,
    definition: (of = revision) => definitions.get(of),
    newestGeneration: () => newestGeneration,
    /** Those that the hub took with this time. */
    snapshotsAt: (at: number) => snapshots.filter((snapshot) => snapshot.at === at),
    newestSnapshot: () => snapshots.at(-1),
    reportsSeen: (): readonly ReceivedReport[] => reports,
    take: (observation: Observation) => {
      if (observation.type === 'snapshot') {
        snapshots = [...snapshots.slice(1 - snapshotsKept), observation.snapshot];
      } else if (observation.type === 'report-seen') reports.push(observation.report);
      else if (observation.type === 'entry') {
        const { row } = observation;
        if (isPipeline(row)) takePipeline(eventOf(row));
        else if (row.stream.startsWith('cluster/')) fleet.take(row);
        else if (row.stream === 'freezes') freezes.take(row);
      }
    },
  };
}

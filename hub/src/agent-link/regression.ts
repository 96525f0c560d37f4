import type { KnownAssignment } from '@fairlead/proto';
import { type ClusterId, parseName } from '@fairlead/shared/ids';
import type { AheadUnit } from '../domain/fleet/index.ts';
import type { Assignment } from '../domain/rollout/index.ts';
import type { Peer } from './call.ts';
import type { ClusterCommands } from './ports.ts';

const actor = { kind: 'hub', name: 'agent-link' } as const;

type Options = {
  readonly commands: ClusterCommands;
  readonly epoch: () => number | Promise<number>;
  readonly newestGeneration: (pipeline: string) => Promise<number>;
  readonly assignmentsOf: (
    cluster: ClusterId,
  ) => readonly Assignment[] | Promise<readonly Assignment[]>;
};

/**
 * Compares what an agent holds with what the log can have given it. An agent that holds more shows that the log went back
 * in time, or that the cluster had another hub: that goes on record, once.
 */
export async function noteHeld(
  { commands, epoch, newestGeneration, assignmentsOf }: Options,
  { clusterId, clusterName }: Peer,
  known: readonly KnownAssignment[],
): Promise<void> {
  const hubEpoch = await epoch();
  // What the cluster is assigned now says enough of nearly every unit, without a look at the pipeline.
  const assigned = new Map(
    (await assignmentsOf(clusterId)).map((unit) => [keyOf(unit), unit.generation]),
  );
  const newest = new Map<string, number>();
  const ahead: AheadUnit[] = [];
  for (const unit of known) {
    const { pipeline, stage } = unit;
    if (!parseName(pipeline).ok || !parseName(stage).ok || unit.epoch < hubEpoch) continue;
    if (unit.epoch === hubEpoch && unit.generation <= (assigned.get(keyOf(unit)) ?? 0)) continue;
    const inLog = newest.get(pipeline) ?? (await newestGeneration(pipeline));
    newest.set(pipeline, inLog);
    if (unit.epoch === hubEpoch && unit.generation <= inLog) continue;
    const { epoch: unitEpoch, generation } = unit;
    ahead.push({ pipeline, stage, epoch: unitEpoch, generation, known: inLog });
  }
  const heldTotal = known.length;
  await commands.cluster(clusterName, { type: 'record-held', ahead, heldTotal, hubEpoch }, actor);
}

const keyOf = ({ pipeline, stage }: { pipeline: string; stage: string }): string =>
  `${pipeline}/${stage}`;

/** Whether the cluster is told nothing for now; an epoch that an operator has raised ends it. */
export async function isWithheld(
  { commands }: Pick<Options, 'commands'>,
  clusterName: string,
  hubEpoch: number,
): Promise<boolean> {
  const state = await commands.clusterState(clusterName);
  if (state.status !== 'present' || state.aheadEpoch === undefined) return false;
  if (hubEpoch <= state.aheadEpoch) return true;
  const news = { type: 'record-held', ahead: [], heldTotal: 1, hubEpoch } as const;
  await commands.cluster(clusterName, news, actor);
  return false;
}

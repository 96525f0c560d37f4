import { auditedEvent } from '../parts/world.ts';
import { imageOf, type Repository, renderCommit } from '../world/repository.ts';
import { eventOf, pipelineEvent } from './facts.ts';
import type { Observation } from './observation.ts';
import type { Property } from './property.ts';

const noGoingBack: Property = {
  name: 'no going back at an agent',
  meaning: 'An agent never takes an older generation of a unit than the one that it holds.',
  watch: (_, fail) => (observation) => {
    if (observation.type !== 'accepted') return;
    const { host, assignment } = observation;
    const unit = `${assignment.pipeline}/${assignment.stage}`;
    const held = [...host.disk.content().assignments].find(([key]) => key === unit)?.[1];
    if (held && held.generation >= assignment.generation) {
      fail(`${host.name} holds generation ${held.generation} and takes ${assignment.generation}`);
    }
  },
};

const onlyDecided: Property = {
  name: 'agents run what was decided',
  meaning:
    'What an agent takes is on record for exactly this cluster, stage, generation and commit.',
  watch: (_, fail) => {
    const decided = new Map<string, string>();
    return (observation) => {
      const event = pipelineEvent(observation);
      if (event?.type === 'TargetAssigned') {
        decided.set(`${event.cluster}/${event.stage}/${event.generation}`, event.release);
      }
      if (event?.type === 'TargetWithdrawn') {
        decided.set(`${event.cluster}/${event.stage}/${event.generation}`, event.disposition);
      }
      if (observation.type !== 'accepted') return;
      const { host, assignment } = observation;
      const { stage, generation, disposition, commit } = assignment;
      const wanted = decided.get(`${host.id}/${stage}/${generation}`);
      const taken = disposition === 'run' ? commit : disposition;
      if (wanted !== taken) fail(`${host.name} takes ${taken} in ${stage}, ${wanted} was decided`);
    };
  },
};

const absenceIsNoDeletion = (repository: () => Repository): Property => ({
  name: 'absence is never deletion',
  meaning:
    'Nothing is deleted in a cluster but by an order to delete, or because a commit that renders whole and is healthy no ' +
    'longer has it.',
  watch: (_, fail) => (observation) => {
    if (observation.type !== 'removes') return;
    const fault = removalFault(observation, repository());
    if (fault) fail(`${observation.host.name} deletes ${observation.address.name}: ${fault}`);
  },
});

function removalFault(
  { host, address }: Extract<Observation, { type: 'removes' }>,
  repository: Repository,
): string | undefined {
  const assignments = [...host.disk.content().assignments.values()];
  const stage = address.kind === 'Unit' ? address.name.split('.')[1] : address.name.split('-')[0];
  const held = assignments.find((assignment) => assignment.stage === stage);
  if (!held) return 'no assignment is held of which it could be a part';
  if (held.disposition === 'delete') return undefined;
  if (held.disposition === 'orphan') return 'the unit was to be left in place';
  if (address.kind === 'Unit') return 'the unit is still assigned';
  const commit = repository.find(held.commit);
  const rendered = commit && renderCommit(commit, held.path);
  if (!rendered || rendered.length === 0) return 'the commit renders to nothing';
  const isWanted = rendered.some(
    ({ kind, metadata }) => kind === address.kind && metadata.name === address.name,
  );
  if (isWanted) return `commit ${held.commit.slice(0, 6)} still has it`;
  const web = host.cluster.memory
    .objects()
    .find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === `${stage}-web`);
  if (!web || !imageOf(web).endsWith(held.commit)) return 'the new objects are not applied yet';
  if (commit.behaviour === 'never-healthy') return 'the new objects were never healthy';
  return undefined;
}

const auditOnce: Property = {
  name: 'audit exactly once',
  meaning:
    'Each audit event of an agent is in the log once, in its order, as the agent wrote it, without a gap.',
  watch: (_, fail) => {
    const written = new Map<string, string>();
    const next = new Map<string, number>();
    return (observation) => {
      if (observation.type === 'audited') {
        const { host, sequence, entry } = observation;
        const text = JSON.stringify(auditedEvent(sequence, entry));
        written.set(`${host.id}/${host.agentEpoch}/${sequence}`, text);
      }
      if (observation.type !== 'entry' || !observation.row.stream.startsWith('agent-audit/'))
        return;
      const event = eventOf(observation.row) as never as Record<string, unknown>;
      const { type, cluster, agentEpoch, ...body } = event;
      const of = `${cluster}/${agentEpoch}`;
      if (type !== 'AgentAudited') return fail(`${of}: ${JSON.stringify(event)}`);
      const expected = (next.get(of) ?? 0) + 1;
      if (body.sequence !== expected) return fail(`${of}: ${body.sequence} after ${expected - 1}`);
      next.set(of, expected);
      if (written.get(`${of}/${expected}`) !== JSON.stringify(body)) {
        fail(`${of}/${expected} is not what the agent wrote`);
      }
    };
  },
};

const wholeLog: Property = {
  name: 'monotone audit',
  meaning: 'Positions of the log and versions of each stream have no gap.',
  watch: (_, fail) => {
    const versions = new Map<string, number>();
    let position = 0;
    return (observation) => {
      if (observation.type !== 'entry') return;
      const { row } = observation;
      const version = (versions.get(row.stream) ?? 0) + 1;
      versions.set(row.stream, version);
      position++;
      if (row.position !== position) fail(`position ${row.position} after ${position - 1}`);
      if (row.version !== version) fail(`${row.stream} has version ${row.version}, not ${version}`);
    };
  },
};

export const agentProperties = (repository: () => Repository): readonly Property[] => [
  noGoingBack,
  onlyDecided,
  absenceIsNoDeletion(repository),
  auditOnce,
  wholeLog,
];

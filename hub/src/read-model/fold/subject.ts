import type { RecordedEvent } from '../../decision-log/index.ts';

/** What an entry of the log is about, for filters of the audit and of event streams. */
export type EntrySubject = {
  readonly pipeline?: string;
  readonly stage?: string;
  /** A cluster's name. */
  readonly cluster?: string;
  readonly commit?: string;
};

/** `clusterNameOf` resolves the ids that agents' entries carry. */
export function entrySubject(
  entry: RecordedEvent,
  clusterNameOf: (clusterId: string) => string | undefined,
): EntrySubject {
  const event = entry.event;
  const fields = event as { stage?: string; clusterName?: string; release?: string };
  switch (event.type) {
    case 'AgentAudited':
      return {
        pipeline: event.pipeline || undefined,
        stage: event.stage || undefined,
        cluster: clusterNameOf(event.cluster),
        commit: event.commit || undefined,
      };
    case 'AgentAuditGap':
      return { cluster: clusterNameOf(event.cluster) };
    case 'BranchMoved':
    case 'ConfigurationApplied':
    case 'ConfigurationRefused':
      return { commit: event.commit };
    case 'ConfigurationOverridden':
      return event.kind === 'Pipeline' ? { pipeline: event.name } : {};
    case 'FreezeDeclared': {
      const { scope } = event.freeze;
      return {
        ...('pipeline' in scope ? { pipeline: scope.pipeline } : {}),
        ...('stage' in scope ? { stage: scope.stage } : {}),
      };
    }
    case 'CommandRefused':
      return streamSubject(event.subject);
    default:
      return {
        ...streamSubject(entry.stream),
        ...(fields.stage === undefined ? {} : { stage: fields.stage }),
        ...(fields.clusterName === undefined ? {} : { cluster: fields.clusterName }),
        ...(fields.release === undefined ? {} : { commit: fields.release }),
      };
  }
}

function streamSubject(stream: string): EntrySubject {
  const [kind, name, stage] = stream.split('/');
  if (kind === 'pipeline') return { pipeline: name, ...(stage === undefined ? {} : { stage }) };
  return kind === 'cluster' ? { cluster: name } : {};
}

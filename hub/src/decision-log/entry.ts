import type { Logger } from '@fairlead/shared/log';
import { ProblemError, problem } from '@fairlead/shared/problem';
import type { DomainEvent } from '../domain/events.ts';
import { eventBytesMax } from '../limits.ts';
import { type ChainEnd, chainFault, entryHash, genesisHash } from './chain.ts';
import { DecisionLogCorruptError } from './errors.ts';
import type { AppendRequest, RecordedEvent } from './port.ts';
import type { LogRow } from './schema.ts';

/** An event as it is stored: after the end of the chain, and as the next version of its stream. */
export function rowOf(
  request: AppendRequest,
  event: DomainEvent,
  end: ChainEnd,
  version: number,
): LogRow {
  const { type, ...body } = event;
  const data = JSON.stringify(body);
  if (Buffer.byteLength(data) > eventBytesMax) {
    throw new ProblemError(
      problem('payload_too_large', `An event (${type}) takes at most ${eventBytesMax} bytes.`),
    );
  }
  const row = {
    position: end.position + 1,
    stream: request.stream,
    version,
    type,
    recordedAt: request.at,
    actorKind: request.actor.kind,
    actorName: request.actor.name,
    data,
  };
  return { ...row, hash: entryHash(end.hash, row) };
}

export function checkedEvent(row: LogRow, previousHash: string | null): RecordedEvent {
  const hash = previousHash ?? (row.position === 1 ? genesisHash : '');
  const reason = chainFault({ position: row.position - 1, hash }, row);
  if (reason !== undefined) throw new DecisionLogCorruptError(row.position, reason);
  return recordedEvent(row);
}

export const recordedEvent = (row: LogRow): RecordedEvent => ({
  position: row.position,
  stream: row.stream,
  version: row.version,
  recordedAt: row.recordedAt,
  actor: { kind: row.actorKind, name: row.actorName },
  event: { type: row.type, ...JSON.parse(row.data) } as DomainEvent,
  hash: row.hash,
});

/** The append is durable whatever a listener does, so a listener's fault is its own. */
export function notify(
  listeners: ReadonlySet<(headPosition: number) => void>,
  headPosition: number,
  logger: Logger | undefined,
): void {
  for (const listener of listeners) {
    try {
      listener(headPosition);
    } catch (error) {
      logger?.error({ error }, 'a listener of the decision log failed');
    }
  }
}

import { hash } from 'node:crypto';
import type { LogRow } from './schema.ts';

/** The hash before the first entry. */
export const genesisHash = '0'.repeat(64);

/**
 * SHA-256 in hex over the canonical text of an entry and the hash of the entry before it. The text is a JSON array of
 * the stored columns, so no two different entries have the same text.
 */
export const entryHash = (previousHash: string, row: Omit<LogRow, 'hash'>): string =>
  hash(
    'sha256',
    JSON.stringify([
      previousHash,
      row.position,
      row.stream,
      row.version,
      row.recordedAt,
      row.actorKind,
      row.actorName,
      row.type,
      row.data,
    ]),
    'hex',
  );

export type ChainEnd = { readonly position: number; readonly hash: string };

/** Says why a row cannot follow the end of the chain, or nothing when it fits. */
export function chainFault(end: ChainEnd, row: LogRow): string | undefined {
  if (row.position !== end.position + 1) {
    return `entry ${end.position + 1} is missing: the next one has position ${row.position}`;
  }
  if (entryHash(end.hash, row) !== row.hash) {
    return `the hash of entry ${row.position} does not match its content and the entry before it`;
  }
  return undefined;
}

import { eq } from 'drizzle-orm';
import type { HubEvent } from '../../domain/events.ts';
import type { Orm } from '../orm.ts';
import { tokenTable } from '../schema.ts';
import type { Entry, FoldBatch } from './batch.ts';

export function createTokenFold(orm: Orm) {
  return (batch: FoldBatch, { event, recordedAt }: Entry<HubEvent>): void => {
    if (event.type === 'TokenIssued') {
      const { type: _, tokenId: id, ...token } = event;
      orm
        .insert(tokenTable)
        .values({ id, ...token, issuedAt: recordedAt })
        .run();
    } else if (event.type === 'TokenRevoked') {
      orm
        .update(tokenTable)
        .set({ revokedAt: recordedAt })
        .where(eq(tokenTable.id, event.tokenId))
        .run();
    } else return;
    batch.tokens.add(event.tokenId);
  };
}

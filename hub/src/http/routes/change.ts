import type { Executed } from '../../commands/index.ts';
import type { ChangeDocument } from '../schemas.ts';

/** What an accepted command changed, and up to where a reader must have come to see it. */
export const changeDocument = ({
  position,
  events,
}: Pick<Executed<unknown>, 'position' | 'events'>): ChangeDocument => ({
  position,
  events: events.map(({ event }) => event.type),
});

import type { Freeze, FreezeEvent } from '../../../hub/src/domain/freeze/index.ts';
import type { LogRow } from './observation.ts';

type Declared = Freeze & { readonly declaredAt: number };

/** Freezes that were declared and not lifted, by the log. */
export function createFreezeFacts() {
  const freezes = new Map<string, Declared>();
  return {
    take: ({ type, data }: LogRow) => {
      const event = { type, ...JSON.parse(data) } as FreezeEvent;
      if (event.type === 'FreezeLifted') freezes.delete(event.id);
      else freezes.set(event.freeze.id, { ...event.freeze, declaredAt: event.at });
    },
    /** One that began at once is in force also for a clock that was set back since. */
    inForce: (stage: string, at: number): Declared[] =>
      [...freezes.values()].filter(({ scope, from, until, declaredAt }) => {
        const covers = scope.kind === 'stage' ? scope.stage === stage : true;
        const begun = from <= declaredAt || at >= from;
        return covers && begun && (until === undefined || at < until);
      }),
  };
}

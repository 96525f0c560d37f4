// Repositories and pipelines as sets of definitions, whoever brings them: the check of a set against what is defined, and
// one turn after the other, so that two sets cannot both pass the checks and then contradict each other. Imports the
// domain, and types of commands, log and read model.
import { createResourceCheck, type ResourceCheck, type ResourceCheckOptions } from './check.ts';

export type { ResourceCheck } from './check.ts';

export type Definitions = {
  readonly check: ResourceCheck;
  /** Runs alone: from the check of a set until its last resource is defined. */
  readonly exclusively: <Value>(work: () => Promise<Value>) => Promise<Value>;
};

/** One for the whole hub. */
export function createDefinitions(options: ResourceCheckOptions): Definitions {
  let last: Promise<unknown> = Promise.resolve();
  return {
    check: createResourceCheck(options),
    exclusively: (work) => {
      const mine = last.then(work);
      last = mine.catch(() => undefined);
      return mine;
    },
  };
}

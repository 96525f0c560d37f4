import fc from 'fast-check';

/**
 * Histories that are generated and lived once, for many checks of what they leave behind: to live one takes longer than to
 * look at it. A check must leave what it is given as it is. One that fails is run again by fast-check from the same seed,
 * which looks for the shortest history that breaks it.
 */
export function livedOnce<History, Lived>(options: {
  readonly histories: fc.Arbitrary<History>;
  readonly live: (history: History) => Lived;
  readonly runs: number;
}): (check: (lived: Lived) => void) => void {
  const { histories, live, runs: numRuns } = options;
  const [seed = 0] = fc.sample(fc.nat(), 1);
  let lived: Lived[] | undefined;
  return (check) => {
    lived ??= fc.sample(histories, { seed, numRuns }).map(live);
    try {
      for (const one of lived) check(one);
    } catch (error) {
      fc.assert(
        fc.property(histories, (history) => check(live(history))),
        { seed, numRuns },
      );
      throw new Error(`a history of seed ${seed} breaks the rule`, { cause: error });
    }
  };
}

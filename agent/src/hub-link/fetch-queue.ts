export type FetchQueueOptions<Job> = {
  readonly placesMax: number;
  /** Jobs that one place takes at once. */
  readonly togetherMax: number;
  readonly isAlike: (first: Job, other: Job) => boolean;
  /** Must not reject. */
  readonly run: (jobs: readonly [Job, ...Job[]]) => Promise<void>;
};

/**
 * Runs jobs in so many places, in order. A place that becomes free takes along those of the waiting that are like the
 * first: who comes alone never waits for company.
 */
export function createFetchQueue<Job>(options: FetchQueueOptions<Job>): (job: Job) => void {
  const { placesMax, togetherMax, isAlike, run } = options;
  let waiting: Job[] = [];
  let taken = 0;

  const takeTogether = (first: Job): readonly [Job, ...Job[]] => {
    const others: Job[] = [];
    waiting = waiting.filter((job) => {
      const isTaken = others.length < togetherMax - 1 && isAlike(first, job);
      if (isTaken) others.push(job);
      return !isTaken;
    });
    return [first, ...others];
  };
  const pump = (): void => {
    while (taken < placesMax) {
      const first = waiting.shift();
      if (first === undefined) return;
      taken++;
      void run(takeTogether(first)).finally(() => {
        taken--;
        pump();
      });
    }
  };

  return (job) => {
    waiting.push(job);
    pump();
  };
}

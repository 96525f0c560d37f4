import type { RepositoryName } from '@fairlead/shared/ids';
import type { Clock, Instant, Random } from '@fairlead/shared/time';
import { repositoryPollsConcurrentMax } from '../limits.ts';
import { firstDelayMs, nextDelayMs, silenceMs } from './poll-schedule.ts';

export type PolledRepository = {
  readonly name: RepositoryName;
  readonly pollIntervalMs: number;
};

export type PollFailure = {
  readonly since: Instant;
  readonly failures: number;
  readonly error: unknown;
};

export type RepositoryPollerOptions<Repository extends PolledRepository> = {
  /** One fetch and one discovery; throws when it fails. Never runs twice at once for a repository. */
  readonly poll: (repository: Repository, signal: AbortSignal) => Promise<void>;
  /** Called once when a repository begins to fail, and again only if the call itself failed. */
  readonly onFailing: (repository: Repository, failure: PollFailure) => Promise<void>;
  readonly onRecovered: (repository: Repository) => Promise<void>;
  /** Of the callbacks, which may fail with the log. */
  readonly onError: (repository: Repository, error: unknown) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Repositories that were failing when the hub ended, so that a restart neither repeats nor loses the transition. */
  readonly failing?: ReadonlySet<RepositoryName>;
};

export type RepositoryPoller<Repository extends PolledRepository> = {
  /** Replaces the set of repositories: new ones are polled soon, removed ones no more. */
  readonly set: (repositories: readonly Repository[]) => void;
  /** Polls soon after a webhook: at once, or once more after a poll that runs now. False for an unknown repository. */
  readonly hint: (name: RepositoryName) => boolean;
  readonly failureOf: (name: RepositoryName) => PollFailure | undefined;
  /** Resolves when no poll runs any more, after the signal was aborted. */
  readonly ended: () => Promise<void>;
};

type Entry<Repository> = {
  repository: Repository;
  timer: NodeJS.Timeout | undefined;
  state: 'idle' | 'waiting' | 'running';
  /** Asked for while running: run once more. */
  again: boolean;
  removed: boolean;
  failure: PollFailure | undefined;
  reported: boolean;
  /** The host is left alone until then. */
  silentUntil: Instant;
};

/** Polls each repository at its interval, spread and jittered, a bounded number at a time, hints first. */
export function createRepositoryPoller<Repository extends PolledRepository>(
  options: RepositoryPollerOptions<Repository>,
): RepositoryPoller<Repository> {
  const { clock, random, signal } = options;
  const entries = new Map<RepositoryName, Entry<Repository>>();
  const queue: Entry<Repository>[] = [];
  const running = new Set<Promise<void>>();

  const stopTimer = (entry: Entry<Repository>) => {
    clearTimeout(entry.timer);
    entry.timer = undefined;
  };
  const schedule = (entry: Entry<Repository>, delayMs: number) => {
    stopTimer(entry);
    if (entry.removed || signal.aborted) return;
    entry.timer = setTimeout(() => request(entry, 'last'), delayMs);
  };
  const request = (entry: Entry<Repository>, place: 'first' | 'last') => {
    if (signal.aborted) return;
    if (entry.state === 'running') {
      entry.again = true;
      return;
    }
    const silentMs = entry.silentUntil - clock.now();
    if (silentMs > 0) return schedule(entry, silentMs);
    stopTimer(entry);
    if (entry.state === 'waiting') {
      if (place === 'last') return;
      queue.splice(queue.indexOf(entry), 1);
    }
    entry.state = 'waiting';
    if (place === 'first') queue.unshift(entry);
    else queue.push(entry);
    startWaiting();
  };
  const startWaiting = () => {
    while (running.size < repositoryPollsConcurrentMax && !signal.aborted) {
      const entry = queue.shift();
      if (entry === undefined) return;
      const run = pollOnce(entry).finally(() => {
        running.delete(run);
        startWaiting();
      });
      running.add(run);
    }
  };
  const pollOnce = async (entry: Entry<Repository>): Promise<void> => {
    entry.state = 'running';
    const { repository } = entry;
    try {
      await options.poll(repository, signal);
      entry.failure = undefined;
    } catch (error) {
      const { since = clock.now(), failures = 0 } = entry.failure ?? {};
      entry.failure = { since, failures: failures + 1, error };
      entry.silentUntil = clock.now() + silenceMs(error, failures + 1);
    }
    if (!signal.aborted) await reportTransition(entry);
    entry.state = 'idle';
    if (entry.removed) return;
    if (entry.again) {
      entry.again = false;
      request(entry, 'first');
    } else {
      const failures = entry.failure?.failures ?? 0;
      const fraction = random.nextFraction();
      schedule(entry, nextDelayMs(entry.repository.pollIntervalMs, failures, fraction));
    }
  };
  const reportTransition = async (entry: Entry<Repository>): Promise<void> => {
    const { repository, failure } = entry;
    if ((failure !== undefined) === entry.reported) return;
    try {
      if (failure) await options.onFailing(repository, failure);
      else await options.onRecovered(repository);
      entry.reported = failure !== undefined;
    } catch (error) {
      options.onError(repository, error);
    }
  };
  const remove = (name: RepositoryName, entry: Entry<Repository>) => {
    entry.removed = true;
    stopTimer(entry);
    entries.delete(name);
    if (entry.state === 'waiting') queue.splice(queue.indexOf(entry), 1);
  };

  signal.addEventListener('abort', () => {
    for (const entry of entries.values()) stopTimer(entry);
    queue.length = 0;
  });

  return {
    set: (repositories) => {
      const named = new Map(repositories.map((repository) => [repository.name, repository]));
      for (const [name, entry] of entries) if (!named.has(name)) remove(name, entry);
      for (const [name, repository] of named) {
        const existing = entries.get(name);
        if (existing) {
          const changed = existing.repository.pollIntervalMs !== repository.pollIntervalMs;
          existing.repository = repository;
          if (changed && existing.state === 'idle') {
            schedule(existing, firstDelayMs(repository.pollIntervalMs, random.nextFraction()));
          }
          continue;
        }
        const entry: Entry<Repository> = {
          repository,
          timer: undefined,
          state: 'idle',
          again: false,
          removed: false,
          failure: undefined,
          reported: options.failing?.has(name) ?? false,
          silentUntil: 0,
        };
        entries.set(name, entry);
        schedule(entry, firstDelayMs(repository.pollIntervalMs, random.nextFraction()));
      }
    },
    hint: (name) => {
      const entry = entries.get(name);
      if (entry) request(entry, 'first');
      return entry !== undefined;
    },
    failureOf: (name) => entries.get(name)?.failure,
    ended: async () => {
      while (running.size > 0) await Promise.allSettled(running);
    },
  };
}

import { ProblemError, problem } from '@fairlead/shared/problem';
import { commandsWaitingMax } from '../limits.ts';

/**
 * Runs what concerns one stream in its order of arrival, so that the commands of one hub never conflict with each
 * other and retries are left for other hubs. Throws `unavailable` when too much waits for the stream already.
 */
export function createStreamTurns() {
  const queues = new Map<string, { tail: Promise<unknown>; waiting: number }>();
  return async <Value>(stream: string, work: () => Promise<Value>): Promise<Value> => {
    const queue = queues.get(stream) ?? { tail: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= commandsWaitingMax) {
      throw new ProblemError(
        problem('unavailable', `${commandsWaitingMax} commands wait for ${stream} already.`),
      );
    }
    queue.waiting++;
    queues.set(stream, queue);
    const done = queue.tail.then(work);
    queue.tail = done.catch(() => undefined);
    try {
      return await done;
    } finally {
      if (--queue.waiting === 0) queues.delete(stream);
    }
  };
}

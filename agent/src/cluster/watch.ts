import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import {
  apiListPageObjects,
  listAgeMsMax,
  watchBackoffMsMax,
  watchBackoffMsMin,
  watchDurationSeconds,
  watchIdleMsMax,
  watchLineBytesMax,
} from '../limits.ts';
import type { Connection } from './connection.ts';
import { ClusterError, type Resource, type WatchEvent, type WatchOptions } from './port.ts';

type ListAnswer = {
  metadata: { resourceVersion: string; continue?: string };
  items: KubernetesObject[];
};

type WatchLine = {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: KubernetesObject & { code?: number; message?: string };
};

export type WatchDependencies = {
  readonly connection: Connection;
  readonly resourceOf: () => Promise<Resource | undefined>;
  readonly pathOf: (resource: Resource, query: Record<string, string>) => string;
  /** Silence after which the connection counts as half open. */
  readonly idleMsMax?: number;
};

/**
 * Lists once and follows; a lost connection goes on from the last version seen, and a version that the server has
 * forgotten starts anew with a list. Runs until the signal of the options is aborted, and never rejects.
 */
export async function followKind(
  dependencies: WatchDependencies,
  options: WatchOptions,
  onEvent: (event: WatchEvent) => void,
): Promise<void> {
  const { signal } = options;
  let version: string | undefined;
  let listedAtMs = 0;
  let backoffMs = watchBackoffMsMin;
  while (!signal.aborted) {
    try {
      const resource = await dependencies.resourceOf();
      if (!resource) throw new ClusterError('unknown_kind', `${options.kind} is not served`);
      // The slow full sweep: whatever a watch may have missed is found by the next list.
      if (performance.now() - listedAtMs > listAgeMsMax) version = undefined;
      if (version === undefined) {
        version = await listAll(dependencies, resource, options, onEvent);
        listedAtMs = performance.now();
      }
      backoffMs = watchBackoffMsMin;
      version = await followOnce(dependencies, resource, options, version, onEvent);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ClusterError && error.status === 410) version = undefined;
      else {
        onEvent({ type: 'interrupted', error: asClusterError(error) });
        await sleep(backoffMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
        backoffMs = Math.min(backoffMs * 2, watchBackoffMsMax);
      }
    }
  }
}

const asClusterError = (error: unknown): ClusterError =>
  error instanceof ClusterError
    ? error
    : new ClusterError('unavailable', error instanceof Error ? error.message : String(error));

/** Hands out every object that matches; returns the version from which to follow. */
async function listAll(
  { connection, pathOf }: WatchDependencies,
  resource: Resource,
  options: WatchOptions,
  onEvent: (event: WatchEvent) => void,
): Promise<string> {
  onEvent({ type: 'listing' });
  let continueFrom = '';
  for (;;) {
    const path = pathOf(resource, { limit: String(apiListPageObjects), continue: continueFrom });
    const page = (await connection.json({
      method: 'GET',
      path,
      signal: options.signal,
    })) as ListAnswer;
    for (const item of page.items) onEvent({ type: 'present', object: withType(item, resource) });
    continueFrom = page.metadata.continue ?? '';
    if (continueFrom === '') {
      onEvent({ type: 'listed' });
      return page.metadata.resourceVersion;
    }
  }
}

/** Items of a list do not repeat apiVersion and kind. */
const withType = (item: KubernetesObject, resource: Resource): KubernetesObject =>
  Object.assign(item, { apiVersion: resource.apiVersion, kind: resource.kind });

/** Follows until the server ends the watch; returns the last version seen, throws when it must be taken up anew. */
async function followOnce(
  { connection, pathOf, idleMsMax = watchIdleMsMax }: WatchDependencies,
  resource: Resource,
  options: WatchOptions,
  fromVersion: string,
  onEvent: (event: WatchEvent) => void,
): Promise<string> {
  const path = pathOf(resource, {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: fromVersion,
    timeoutSeconds: String(watchDurationSeconds),
  });
  const answer = await connection.stream({ method: 'GET', path, signal: options.signal });
  let version = fromVersion;
  answer.setTimeout(idleMsMax, () => answer.destroy(new Error('the watch fell silent')));
  await readLines(answer, (line) => {
    const { type, object } = JSON.parse(line) as WatchLine;
    if (type === 'ERROR') {
      throw new ClusterError('unavailable', object.message ?? 'the watch failed', {
        status: object.code,
      });
    }
    version = object.metadata.resourceVersion ?? version;
    if (type === 'DELETED') onEvent({ type: 'gone', object });
    else if (type !== 'BOOKMARK') onEvent({ type: 'changed', object });
  });
  return version;
}

/**
 * Hands out the whole lines of a streamed answer and resolves at its end; rejects with what `onLine` throws, or when the
 * answer is cut off.
 */
function readLines(answer: IncomingMessage, onLine: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest = '';
    const take = (chunk: string): void => {
      rest += chunk;
      let start = 0;
      for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n', start)) {
        onLine(rest.slice(start, end));
        start = end + 1;
      }
      rest = rest.slice(start);
      if (rest.length > watchLineBytesMax) {
        throw new Error(`a watch event is larger than ${watchLineBytesMax} bytes`);
      }
    };
    answer.setEncoding('utf8');
    answer.on('data', (chunk: string) => {
      try {
        take(chunk);
      } catch (error) {
        answer.destroy(error as Error);
      }
    });
    answer.once('error', reject);
    answer.once('end', resolve);
    answer.once('close', () => reject(new Error('the watch was cut off')));
  });
}

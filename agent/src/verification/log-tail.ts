import type { KubernetesObject } from '@fairlead/shared/manifest';
import {
  verificationContainersMax,
  verificationLogBytesMax,
  verificationLogLinesMax,
  verificationLogMsMax,
  verificationLogReadBytesMax,
  verificationPodLogBytesMax,
  verificationPodsMax,
} from '../limits.ts';
import { withRemedy } from '../reconcile/index.ts';
import type { Context } from './context.ts';
import type { JobReference } from './ports.ts';

export type LogTail = { readonly text: string; readonly truncated: boolean };

/**
 * The end of what the Job's pods wrote, the newest pod last. Read in the name of the Job's own account, so that nothing
 * leaves the cluster that the account may not read. Never throws: a log that cannot be read says so in its place.
 */
export async function logTail(
  context: Context,
  job: JobReference,
  ended: AbortSignal,
): Promise<LogTail> {
  const signal = AbortSignal.any([ended, AbortSignal.timeout(verificationLogMsMax)]);
  const { namespace, name, account } = job;
  try {
    const listing = context.cluster.list('v1', 'Pod', {
      namespace,
      labelSelector: `job-name=${name}`,
      objectsMax: 100,
      as: account,
      signal,
    });
    const pods = [...(await withRemedy(account, listing))].sort(byAge);
    const parts: LogTail[] = [];
    for (const pod of pods.slice(-verificationPodsMax)) {
      parts.push(await podTail(context, { pod, job, signal }));
    }
    const isAll = pods.length <= verificationPodsMax && parts.every(({ truncated }) => !truncated);
    const all = lastBytes(parts.map(({ text }) => text).join(''), verificationLogBytesMax);
    return { text: all.text, truncated: all.truncated || !isAll };
  } catch (error) {
    return { text: `(the logs could not be read: ${reasonOf(error)})\n`, truncated: false };
  }
}

type Pod = {
  readonly pod: KubernetesObject;
  readonly job: JobReference;
  readonly signal: AbortSignal;
};

async function podTail(context: Context, { pod, job, signal }: Pod): Promise<LogTail> {
  const { name, namespace = '' } = pod.metadata;
  const all = containersOf(pod);
  let text = '';
  let truncated = all.length > verificationContainersMax;
  for (const container of all.slice(0, verificationContainersMax)) {
    text += `--- ${name}/${container}\n`;
    try {
      const written = await containerTail(context, {
        pod: { namespace, name },
        container,
        job,
        signal,
      });
      text +=
        written.text === '' || written.text.endsWith('\n') ? written.text : `${written.text}\n`;
      truncated ||= written.truncated;
    } catch (error) {
      text += `(the log could not be read: ${reasonOf(error)})\n`;
    }
  }
  const last = lastBytes(text, verificationPodLogBytesMax);
  truncated ||= last.truncated;
  return { text: last.text, truncated };
}

type Container = Omit<Pod, 'pod'> & {
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly container: string;
};

/** The API server gives the beginning of the last lines, so where they are too long fewer are asked for. */
async function containerTail(
  { cluster }: Context,
  { pod, container, job, signal }: Container,
): Promise<LogTail> {
  const bytesMax = verificationLogReadBytesMax;
  for (let linesMax = verificationLogLinesMax; ; linesMax = Math.ceil(linesMax / 10)) {
    const options = { container, linesMax, bytesMax, as: job.account, signal };
    const text = await withRemedy(job.account, cluster.podLog(pod, options));
    if (Buffer.byteLength(text) >= bytesMax && linesMax > 1) continue;
    return { text, truncated: text.split('\n').length > linesMax };
  }
}

function containersOf({ spec }: KubernetesObject): string[] {
  const { initContainers = [], containers = [] } = (spec ?? {}) as {
    initContainers?: { name: string }[];
    containers?: { name: string }[];
  };
  return [...initContainers, ...containers].map(({ name }) => name);
}

/** The last bytes, from the beginning of a line on where there is one. */
function lastBytes(text: string, bytesMax: number): LogTail {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return { text, truncated: false };
  const tail = bytes.subarray(bytes.length - bytesMax);
  const lineEnd = tail.indexOf(0x0a);
  const whole = lineEnd === -1 || lineEnd === tail.length - 1 ? tail : tail.subarray(lineEnd + 1);
  // A character that was cut in two would become a longer one.
  const start = whole.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return { text: whole.subarray(Math.max(0, start)).toString(), truncated: true };
}

const byAge = (left: KubernetesObject, right: KubernetesObject): number =>
  (left.metadata.creationTimestamp ?? '').localeCompare(right.metadata.creationTimestamp ?? '');

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

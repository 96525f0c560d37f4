import type { ReadSecret } from '../config/index.ts';
import type { MetricRule } from '../domain/pipeline/definition.ts';
import { metricAnswerBytesMax, metricMessageCharactersMax, metricQueryMsMax } from '../limits.ts';
import { type MetricReading, numberAt, numberOfPrometheus } from './answers.ts';

export type { MetricReading } from './answers.ts';

export type MetricSourceOptions = {
  /** `host:port`, or `host` for the port that the scheme stands for. Empty: no source may be asked. */
  readonly allowedHosts: readonly string[];
  readonly readSecret: ReadSecret;
  readonly queryMsMax?: number;
};

export type ReadMetric = (
  rule: Pick<MetricRule, 'source' | 'credentialsSecretName'>,
  signal: AbortSignal,
) => Promise<MetricReading>;

/** Reads one number; whatever keeps it from that is said in the reading's message. */
export function createMetricSource(options: MetricSourceOptions): ReadMetric {
  return async ({ source, credentialsSecretName }, signal) => {
    try {
      const url = addressOf(source);
      refuseForeign(url, options.allowedHosts);
      const headers = await headersOf(credentialsSecretName, options.readSecret);
      const ended = AbortSignal.timeout(options.queryMsMax ?? metricQueryMsMax);
      const answer = await ask(url, headers, AbortSignal.any([signal, ended]));
      return source.kind === 'prometheus'
        ? numberOfPrometheus(answer)
        : numberAt(answer, source.jsonPointer);
    } catch (error) {
      return { message: reasonOf(error).slice(0, metricMessageCharactersMax) };
    }
  };
}

function addressOf(source: MetricRule['source']): URL {
  const url = URL.parse(source.url);
  if (url === null) throw new Error('the url cannot be read');
  if (source.kind === 'prometheus') {
    url.pathname = `${url.pathname.replace(/\/$/, '')}/api/v1/query`;
    url.searchParams.set('query', source.query);
  }
  return url;
}

/** A pipeline is written by many; which machines the hub talks to is decided by whoever runs the hub. */
function refuseForeign(url: URL, allowedHosts: readonly string[]): void {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Error(`${url.protocol}// is not asked: only http and https`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new Error('the url holds credentials: name a secret of the hub instead');
  }
  // The URL leaves out the port that its scheme stands for, on both sides.
  const isAllowed = allowedHosts.some(
    (allowed) => URL.parse(`${url.protocol}//${allowed}`)?.host === url.host,
  );
  if (!isAllowed) {
    throw new Error(
      `${url.host} is not among the hosts that FAIRLEAD_METRIC_HOSTS lets the hub ask`,
    );
  }
}

async function headersOf(
  secretName: string | undefined,
  readSecret: ReadSecret,
): Promise<Record<string, string>> {
  const accept = { accept: 'application/json' };
  if (secretName === undefined) return accept;
  const token = await readSecret(secretName, 'token');
  if (token === undefined) throw new Error(`the hub has no secret ${secretName} with a token`);
  return { ...accept, authorization: `Bearer ${token.reveal()}` };
}

async function ask(
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<unknown> {
  const answer = await fetch(url, { headers, signal, redirect: 'manual' });
  try {
    if (answer.status >= 300 && answer.status < 400) {
      throw new Error('the source answers with a redirect, which is not followed');
    }
    const text = await readText(answer);
    if (answer.status !== 200) throw new Error(`the source answers with status ${answer.status}`);
    try {
      return JSON.parse(text);
    } catch {
      throw new Error('the source does not answer with JSON');
    }
  } finally {
    await answer.body?.cancel().catch(() => undefined);
  }
}

async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > metricAnswerBytesMax) {
      throw new Error(`the answer is larger than ${metricAnswerBytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The library's own words for a failed request say nothing; what it was caused by does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'the source did not answer in time';
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const { code } = cause as NodeJS.ErrnoException;
  return `the source cannot be reached: ${cause.message || code || 'no reason given'}`;
}

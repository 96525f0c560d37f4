import type { GitHttpRequest, GitHttpResponse, HttpClient } from 'isomorphic-git';
import { gitFetchTimeoutMs, gitHttpResponseBytesMax } from '../../limits.ts';
import { GitError } from '../git-error.ts';

/** isomorphic-git's HTTP over `fetch`: with a time limit and a size limit, and ended by the signal. */
export function createHttpClient(signal?: AbortSignal): HttpClient {
  const timeout = AbortSignal.timeout(gitFetchTimeoutMs);
  const ended = signal ? AbortSignal.any([signal, timeout]) : timeout;
  return {
    request: async (request: GitHttpRequest): Promise<GitHttpResponse> => {
      const body = request.body ? await collect(request.body) : undefined;
      const response = await fetch(request.url, {
        method: request.method ?? 'GET',
        headers: request.headers,
        body,
        signal: ended,
      });
      if (response.status === 429) throw rateLimited(request.url, response.headers);
      return {
        url: response.url,
        statusCode: response.status,
        statusMessage: response.statusText,
        headers: Object.fromEntries(response.headers),
        body: limited(response.body),
      };
    },
  };
}

/** RFC 9110 has seconds or a date in `Retry-After`; a date would need the host's clock, so only seconds are heard. */
function rateLimited(url: string, headers: Headers): GitError {
  const host = new URL(url).host;
  const error = new GitError('rate_limited', `${host} answers that it is asked too often.`);
  const seconds = /^\d{1,6}$/.exec(headers.get('retry-after') ?? '')?.[0];
  if (seconds !== undefined) error.retryAfterMs = Number(seconds) * 1_000;
  return error;
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* limited(
  body: AsyncIterable<Uint8Array> | null,
): AsyncGenerator<Uint8Array, void, unknown> {
  let total = 0;
  for await (const chunk of body ?? []) {
    total += chunk.byteLength;
    if (total > gitHttpResponseBytesMax) {
      throw new GitError(
        'limit_exceeded',
        `The Git host sent more than ${gitHttpResponseBytesMax} bytes; install the git binary for larger repositories.`,
      );
    }
    yield chunk;
  }
}

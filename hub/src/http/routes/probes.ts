import type { Hono } from 'hono';
import { readinessCheckTimeoutMs } from '../../limits.ts';
import type { HttpApiOptions, ReadinessCheck } from '../dependencies.ts';
import type { HttpEnvironment } from '../environment.ts';
import type { ReadinessDocument } from '../schemas.ts';

/** For Kubernetes and load balancers; without a token, and without a word about what runs here. */
export function mountProbes(app: Hono<HttpEnvironment>, options: HttpApiOptions): void {
  app.get('/healthz', (context) => context.text('ok'));
  app.get('/readyz', async (context) => {
    const document = await readiness(options.checks);
    return context.json(document, document.ready ? 200 : 503);
  });
  const { scrapeMetrics } = options;
  if (scrapeMetrics === undefined) return;
  app.get('/metrics', async (context) => {
    context.header('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    return context.body(await scrapeMetrics());
  });
}

async function readiness(
  checks: Readonly<Record<string, ReadinessCheck>>,
): Promise<ReadinessDocument> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => ({ name, ...(await inTime(check)) })),
  );
  return { ready: results.every(({ ok }) => ok), checks: results };
}

/** A check that hangs or throws says that its part does not work. */
async function inTime(check: ReadinessCheck): Promise<{ ok: boolean; detail: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ ok: boolean; detail: string }>((resolve) => {
    const detail = `no answer in ${readinessCheckTimeoutMs} ms`;
    timer = setTimeout(() => resolve({ ok: false, detail }), readinessCheckTimeoutMs);
  });
  try {
    return await Promise.race([check(), late]);
  } catch {
    return { ok: false, detail: 'the check failed; the log has the cause' };
  } finally {
    clearTimeout(timer);
  }
}

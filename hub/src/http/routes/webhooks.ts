import { parseName, type RepositoryName } from '@fairlead/shared/ids';
import { type ProblemCode, ProblemError, problem } from '@fairlead/shared/problem';
import type { Hono } from 'hono';
import { webhookBodyBytesMax } from '../../limits.ts';
import { readBody } from '../body.ts';
import type { HttpApiOptions, WebhookOutcome } from '../dependencies.ts';
import type { HttpEnvironment } from '../environment.ts';
import { RefusedError } from '../problems.ts';

type WebhookRefusalCode = Extract<WebhookOutcome, { ok: false }>['error']['code'];

const codes: Readonly<Record<WebhookRefusalCode, ProblemCode>> = {
  repository_not_found: 'not_found',
  webhook_secret_missing: 'command_refused',
  signature_missing: 'unauthenticated',
  signature_wrong: 'unauthenticated',
  too_large: 'payload_too_large',
};

/** A Git host has no token of ours: its signature over the raw body says who it is. */
export function mountWebhooks(app: Hono<HttpEnvironment>, options: HttpApiOptions): void {
  app.post('/api/v1/webhooks/:repository', async (context) => {
    const repository = parseName<RepositoryName>(context.req.param('repository'));
    if (!repository.ok) {
      throw new ProblemError(problem('not_found', 'No repository has this name.'));
    }
    const outcome = await options.receiveWebhook({
      repository: repository.value,
      headers: context.req.header(),
      body: await readBody(context, webhookBodyBytesMax),
    });
    if (!outcome.ok) throw new RefusedError(codes[outcome.error.code], outcome.error);
    return context.json({ accepted: true }, 202);
  });
}

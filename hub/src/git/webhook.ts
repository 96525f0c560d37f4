import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Secret } from '@fairlead/shared/config';
import type { RepositoryName } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import { webhookBodyBytesMax } from '../limits.ts';

export type WebhookSource = 'github' | 'gitlab' | 'gitea' | 'bitbucket' | 'generic';

/** Only a hint that the branch may have moved: the payload is never read, so nothing in it can be believed. */
export type WebhookHint = { readonly refresh: true; readonly source: WebhookSource };

export type WebhookRefusal = {
  readonly code: 'webhook_secret_missing' | 'signature_missing' | 'signature_wrong' | 'too_large';
  readonly detail: string;
};

export type WebhookRequest = {
  /** Names in lower case, as Node gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The bytes as they came: a signature holds for exactly these. */
  readonly body: Uint8Array;
  readonly repository: RepositoryName;
  readonly secret: Secret | undefined;
};

/** Gitea also sends GitHub's headers, and so comes first. Bitbucket signs under GitHub's older header name. */
const signatures: readonly {
  readonly source: WebhookSource;
  readonly header: string;
  readonly form: 'hmac-hex' | 'hmac-prefixed' | 'token';
}[] = [
  { source: 'generic', header: 'x-fairlead-signature', form: 'hmac-prefixed' },
  { source: 'gitea', header: 'x-gitea-signature', form: 'hmac-hex' },
  { source: 'github', header: 'x-hub-signature-256', form: 'hmac-prefixed' },
  { source: 'gitlab', header: 'x-gitlab-token', form: 'token' },
  { source: 'bitbucket', header: 'x-hub-signature', form: 'hmac-prefixed' },
];

/** Checks who sent a webhook, in constant time. */
export function receiveWebhook(request: WebhookRequest): Result<WebhookHint, WebhookRefusal> {
  const { headers, body, repository, secret } = request;
  if (body.byteLength > webhookBodyBytesMax) {
    return refuse('too_large', `A webhook may have at most ${webhookBodyBytesMax} bytes.`);
  }
  if (secret === undefined) {
    return refuse(
      'webhook_secret_missing',
      `The repository "${repository}" takes no webhooks: name a secret in spec.webhook.secretRef.`,
    );
  }
  for (const { source, header, form } of signatures) {
    const given = headers[header];
    if (typeof given !== 'string') continue;
    const key = secret.reveal();
    const hmac = createHmac('sha256', key).update(body).digest('hex');
    const expected = { token: key, 'hmac-hex': hmac, 'hmac-prefixed': `sha256=${hmac}` }[form];
    if (equalInConstantTime(given, expected)) return ok({ refresh: true, source });
    return refuse(
      'signature_wrong',
      `The header ${header} does not fit the secret of the repository "${repository}".`,
    );
  }
  return refuse(
    'signature_missing',
    'The webhook is not signed: send X-Fairlead-Signature: sha256=<HMAC of the body in hex>, or use the ' +
      "signature of GitHub, GitLab, Gitea or Bitbucket with the repository's webhook secret.",
  );
}

const refuse = (code: WebhookRefusal['code'], detail: string) => err({ code, detail });

/** Compares digests, so that neither the place of the first difference nor the length shows in the time. */
const equalInConstantTime = (given: string, expected: string): boolean =>
  timingSafeEqual(digest(given), digest(expected));

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

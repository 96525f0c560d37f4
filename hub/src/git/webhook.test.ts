import { createHmac } from 'node:crypto';
import { secret } from '@fairlead/shared/config';
import type { RepositoryName } from '@fairlead/shared/ids';
import { expect, test } from 'vitest';
import { receiveWebhook } from './index.ts';

const body = Buffer.from('{"ref":"refs/heads/main","after":"deadbeef"}');
const key = 'hook secret';
const hmac = createHmac('sha256', key).update(body).digest('hex');

const receive = (
  headers: Record<string, string | undefined>,
  given: { body?: Uint8Array; key?: string } = {},
) =>
  receiveWebhook({
    headers,
    body: given.body ?? body,
    repository: 'shop' as RepositoryName,
    secret: 'key' in given ? (given.key ? secret(given.key) : undefined) : secret(key),
  });

const signed: [string, Record<string, string>][] = [
  ['github', { 'x-hub-signature-256': `sha256=${hmac}`, 'x-hub-signature': 'sha1=00' }],
  ['gitlab', { 'x-gitlab-token': key }],
  ['gitea', { 'x-gitea-signature': hmac, 'x-hub-signature-256': `sha256=${hmac}` }],
  ['bitbucket', { 'x-hub-signature': `sha256=${hmac}` }],
  ['generic', { 'x-fairlead-signature': `sha256=${hmac}` }],
];

test.each(signed)('a webhook signed as %s signs is a hint and nothing more', (source, headers) => {
  expect(receive(headers)).toEqual({ ok: true, value: { refresh: true, source } });
});

test.each(signed)('SRC-02 a webhook forged as %s is refused', (_, headers) => {
  expect(receive(headers, { key: 'another' })).toMatchObject({
    ok: false,
    error: { code: 'signature_wrong' },
  });
  const [header = '', value = ''] = Object.entries(headers)[0] ?? [];
  for (const wrong of ['', value.slice(0, -1), `${value}0`, value.toUpperCase()]) {
    expect(receive({ [header]: wrong })).toMatchObject({ ok: false });
  }
});

test('SRC-02 a changed body does not fit its signature', () => {
  expect(
    receive({ 'x-hub-signature-256': `sha256=${hmac}` }, { body: Buffer.from('{}') }),
  ).toMatchObject({ ok: false, error: { code: 'signature_wrong' } });
});

test('without a signature, or with the old SHA-1 one alone, a webhook is refused', () => {
  expect(receive({})).toMatchObject({ ok: false, error: { code: 'signature_missing' } });
  const sha1 = createHmac('sha1', key).update(body).digest('hex');
  expect(receive({ 'x-hub-signature': `sha1=${sha1}` })).toMatchObject({ ok: false });
});

test('without a secret for the repository each webhook is refused with the remedy', () => {
  const refused = receive({ 'x-gitlab-token': '' }, { key: undefined });
  expect(refused).toMatchObject({ ok: false, error: { code: 'webhook_secret_missing' } });
  expect(!refused.ok && refused.error.detail).toContain('"shop"');
});

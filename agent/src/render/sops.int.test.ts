import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey } from 'openpgp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findTool } from '../../../deploy/tools/index.ts';
import {
  createRenderWorld,
  createSopsWriter,
  type RenderWorld,
  type SopsWriter,
  type WorldOptions,
} from './testing/index.ts';

const canary = 'canary-2468-password';
let writer: SopsWriter;
let world: RenderWorld;
let secrets: Record<string, Record<string, string>>;

beforeAll(async () => {
  writer = await createSopsWriter();
}, 600_000);
afterAll(() => writer[Symbol.dispose]());
beforeEach(async () => {
  secrets = { 'sops-age': { 'age.agekey': `# created: today\n${writer.ageIdentity}\n` } };
  world = await createRenderWorld({ readSecret: async (name) => secrets[name] });
});
afterEach(() => {
  // S11: whatever happened, nothing of the agent's holds a secret in clear, base64 included.
  for (const content of world.dataFiles()) {
    for (const text of [canary, base64(canary), writer.ageIdentity]) {
      expect(content).not.toContain(text);
    }
  }
  world.remove();
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const decrypt = { sopsSecret: 'sops-age' };
const values = ['--encrypted-regex', '^(data|stringData)$'];
const secret = (name: string, data = `password: ${canary}`): string =>
  `apiVersion: v1\nkind: Secret\nmetadata:\n  name: ${name}\nstringData:\n  ${data}\n`;
const render = (path: string, options?: WorldOptions) =>
  world.render({ path, render: decrypt }, options);

async function failureOf(path: string, options?: WorldOptions) {
  const { failure } = await render(path, options);
  expect(failure?.message).not.toContain(canary);
  expect(failure?.message).not.toContain(writer.ageIdentity);
  return failure;
}

/** Stands in for sops and notes what a process list and its environment would show. */
async function watchedSops(): Promise<string> {
  const file = join(world.folder, 'sops');
  const sops = await findTool('sops');
  const notes = join(world.folder, 'seen');
  writeFileSync(
    file,
    `#!/bin/sh\necho "$@" >> ${notes}\n/usr/bin/env >> ${notes}\nexec ${sops} "$@"\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

describe('plain manifests', () => {
  it('encrypted for age are decrypted, and no key shows in arguments or environment', async () => {
    world.write({ 'app/a.yaml': writer.encrypt(secret('a'), 'yaml', values) });
    const { objects } = await render('app', { programs: { sops: await watchedSops() } });
    expect(objects).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'a' },
        stringData: { password: canary },
      },
    ]);
    const seen = readFileSync(join(world.folder, 'seen'), 'utf8');
    expect(seen).toContain('--enable-local-keyservice=false');
    expect(seen).not.toContain('AGE-SECRET-KEY');
  });

  it('encrypted for OpenPGP are decrypted without gpg', async () => {
    secrets['sops-age'] = { 'team.asc': writer.pgpPrivateKey };
    const encrypted = writer.encrypt(secret('a'), 'yaml', ['--pgp', writer.pgpFingerprint]);
    world.write({ 'app/a.yaml': encrypted });
    expect((await render('app')).objects?.[0]?.stringData).toEqual({ password: canary });
  });

  it('may be encrypted as a whole, hold several documents, or be JSON', async () => {
    const object = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'j' },
      stringData: { n: '5' },
    };
    world.write({
      'app/a.yaml': writer.encrypt(`${secret('a')}---\n${secret('b')}`, 'yaml'),
      'app/j.json': writer.encrypt(JSON.stringify(object), 'json', values),
    });
    const { objects, names } = await render('app');
    expect(names).toEqual(['Secret/a', 'Secret/b', 'Secret/j']);
    expect(objects?.[2]).toEqual(object);
  });

  it('that are no objects after decryption are not quoted', async () => {
    world.write({ 'app/a.yaml': writer.encrypt(`password: ${canary}\n`, 'yaml') });
    expect(await failureOf('app')).toMatchObject({
      code: 'object_invalid',
      message: 'app/a.yaml holds no Kubernetes objects after decryption',
    });
  });
});

describe('a kustomization', () => {
  it('is built on ciphertext, and its manifests come out in clear and transformed', async () => {
    world.write({
      'app/kustomization.yaml':
        'resources: [a.yaml]\nnamePrefix: east-\nnamespace: shop\nlabels: [{pairs: {team: one}}]\npatches: [{path: p.yaml}]\n',
      'app/a.yaml': writer.encrypt(
        secret('a', `password: ${canary}\n  port: "5432"`),
        'yaml',
        values,
      ),
      'app/p.yaml': writer.encrypt(secret('a', 'more: patched'), 'yaml', values),
    });
    expect((await render('app')).objects).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'east-a', namespace: 'shop', labels: { team: 'one' } },
        stringData: { password: canary, port: '5432', more: 'patched' },
      },
    ]);
  });

  it('generates Secrets from encrypted dotenv, binary and YAML files, named by the ciphertext', async () => {
    const long = `${canary}\n`.repeat(20);
    world.write({
      'app/kustomization.yaml':
        'secretGenerator:\n- {name: s, envs: [db.env], files: [key.bin, config.yaml=c.yaml], literals: [plain=1]}\n',
      'app/db.env': writer.encrypt(`USER=admin\nPASSWORD=${canary}\n`, 'dotenv'),
      'app/key.bin': writer.encrypt(long, 'binary'),
      'app/c.yaml': writer.encrypt(`token: ${canary}\n`, 'yaml'),
    });
    const { objects } = await render('app');
    const [object] = objects ?? [];
    expect(object?.metadata.name).toMatch(/^s-[a-z0-9]{10}$/);
    const data = object?.data as Record<string, string>;
    const clear = Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    );
    expect(clear).toEqual({
      USER: 'admin',
      PASSWORD: canary,
      'key.bin': long,
      'config.yaml': `token: ${canary}\n`,
      plain: '1',
    });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'an encrypted file in a ConfigMap',
      { 'kustomization.yaml': 'configMapGenerator: [{name: c, files: [enc.yaml]}]\n' },
      /enc\.yaml is encrypted by SOPS, and only manifests and the files of a secretGenerator/,
    ],
    [
      'a dotenv input that is not encrypted as dotenv',
      { 'kustomization.yaml': 'secretGenerator: [{name: c, envs: [enc.yaml]}]\n' },
      /not as dotenv.*--input-type dotenv/,
    ],
    [
      'a manifest that is encrypted as a whole',
      { 'kustomization.yaml': 'resources: [whole.yaml]\n' },
      /whole\.yaml: kustomize must be able to read apiVersion.*encrypted_regex/,
    ],
    [
      'ciphertext that was copied to another object',
      { 'kustomization.yaml': 'resources: [enc.yaml, copy.yaml]\n' },
      /ConfigMap copy: data\.password holds ciphertext/,
    ],
  ])('refuses %s', async (_name, files, message) => {
    const encrypted = writer.encrypt(secret('a'), 'yaml', values);
    const [ciphertext] = /ENC\[.*/.exec(encrypted) ?? [];
    const copy = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: copy}\ndata: {password: "${ciphertext}"}\n`;
    world.write({
      'app/enc.yaml': encrypted,
      'app/copy.yaml': copy,
      'app/whole.yaml': writer.encrypt(secret('w'), 'yaml'),
      ...Object.fromEntries(Object.entries(files).map(([k, v]) => [`app/${k}`, v])),
    });
    const failure = await failureOf('app');
    expect(failure?.message).toMatch(message);
    expect(failure?.terminal).toBe(true);
  });
});

describe('a chart', () => {
  const chart = (template: string) => ({
    'app/Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\n',
    'app/values.yaml': 'password: none\nuser: chart\nsize: 1\n',
    'app/templates/a.yaml': template,
  });
  const template =
    'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  password: {{ .Values.password | b64enc }}\n  user: {{ .Values.user | b64enc }}\n  size: {{ .Values.size | toString | b64enc }}\n';
  const renderChart = () =>
    world.render({
      path: 'app',
      render: {
        ...decrypt,
        helmValuesFiles: ['plain.yaml', 'secret.yaml', 'last.yaml'],
        helmValues: { size: 3 },
      },
    });

  it('takes encrypted values files in the order of the stage, and no file shows them', async () => {
    world.write({
      ...chart(template),
      'app/plain.yaml': 'password: plain\nuser: plain\nsize: 2\n',
      'app/secret.yaml': writer.encrypt(`password: ${canary}\nuser: secret\n`, 'yaml'),
      'app/last.yaml': 'user: last\n',
    });
    const { objects } = await renderChart();
    expect(objects?.[0]?.data).toEqual({
      password: base64(canary),
      user: base64('last'),
      size: base64('3'),
    });
  });

  it('S11: that fails names its template and quotes no value', async () => {
    world.write({
      ...chart('{{ fail (printf "cannot use %s" .Values.password) }}'),
      'app/plain.yaml': '{}',
      'app/secret.yaml': writer.encrypt(`password: ${canary}\n`, 'yaml'),
      'app/last.yaml': '{}',
    });
    const { failure } = await renderChart();
    expect(failure?.message).toMatch(
      /helm at app: failed at shop\/templates\/a\.yaml:1:\d+;.*withheld/,
    );
    expect(failure?.message).not.toContain(canary);
  });
});

describe('F04: what cannot be decrypted', () => {
  const encrypted = () => writer.encrypt(secret('a'), 'yaml', values);

  it('because a value beside the ciphertext was changed is a failure for good', async () => {
    world.write({ 'app/a.yaml': encrypted().replace('name: a', 'name: attacker') });
    expect(await failureOf('app')).toMatchObject({
      code: 'decryption_failed',
      terminal: true,
      message: expect.stringMatching(/^app\/a\.yaml: the MAC does not match/),
    });
  });

  it('because ciphertext was moved is a failure for good', async () => {
    const two = writer.encrypt(secret('a', `one: x\n  two: ${canary}`), 'yaml', values);
    const [one = '', other = ''] = two.match(/ENC\[.*type:str\]/g) ?? [];
    world.write({ 'app/a.yaml': two.replace(one, other) });
    expect(await failureOf('app')).toMatchObject({ code: 'decryption_failed', terminal: true });
  });

  it('because its type was forged does not show the value in the error', async () => {
    world.write({ 'app/a.yaml': encrypted().replace('type:str', 'type:int') });
    expect(await failureOf('app')).toMatchObject({ code: 'decryption_failed', terminal: true });
  });

  it.each<[string, Record<string, string> | undefined, RegExp]>([
    [
      'no Secret',
      undefined,
      /Secret sops-age in namespace fairlead-system does not exist.*kubectl -n fairlead-system create secret/,
    ],
    ['a Secret without keys', { password: 'x' }, /holds no key: an entry named \*\.agekey/],
    ['no age key', { 'a.asc': 'KEY' }, /app\/a\.yaml.*Secret sops-age.*age1.*no age identity/],
    ['another age key', { 'a.agekey': 'OTHER' }, /age1.*no identity fits.*sops updatekeys/],
    [
      'a damaged key',
      { 'a.agekey': 'AGE-SECRET-KEY-1QQQ' },
      /an age identity in the Secret is damaged/,
    ],
  ])('because of %s names it and the remedy, and is tried again', async (_name, data, message) => {
    const { generateX25519Identity } = await import('age-encryption');
    const other = await generateX25519Identity();
    secrets = {};
    if (data !== undefined) {
      secrets['sops-age'] = Object.fromEntries(
        Object.entries(data).map(([key, value]) => [
          key,
          value === 'OTHER' ? other : value === 'KEY' ? writer.pgpPrivateKey : value,
        ]),
      );
    }
    world.write({ 'app/a.yaml': encrypted() });
    const failure = await failureOf('app');
    expect(failure).toMatchObject({ code: 'keys_missing', terminal: false });
    expect(failure?.message).toMatch(message);
    expect(failure?.message).not.toContain(other);
  });

  it('because the OpenPGP key is locked says so', async () => {
    const { privateKey } = await generateKey({
      userIDs: [{ name: 'Test' }],
      passphrase: 'locked',
      format: 'armored',
    });
    secrets['sops-age'] = { 'a.asc': privateKey };
    world.write({
      'app/a.yaml': writer.encrypt(secret('a'), 'yaml', ['--pgp', writer.pgpFingerprint]),
    });
    expect((await failureOf('app'))?.message).toMatch(
      /locked by a passphrase: export it without one/,
    );
  });

  it('because the API server does not answer is tried again', async () => {
    world.write({ 'app/a.yaml': encrypted() });
    const readSecret = async () => {
      throw new Error('forbidden');
    };
    expect(await failureOf('app', { readSecret })).toMatchObject({
      terminal: false,
      message: 'Secret sops-age in namespace fairlead-system cannot be read: forbidden',
    });
  });

  it.each(['plain', 'kustomize'])(
    'because the stage names no key says what to set: %s',
    async (kind) => {
      world.write({ 'app/a.yaml': encrypted() });
      if (kind === 'kustomize') world.write({ 'app/kustomization.yaml': 'resources: [a.yaml]' });
      const { failure } = await world.render({ path: 'app' });
      expect(failure?.message).toMatch(
        /Secret a is encrypted by SOPS.*render\.decrypt\.sops\.secretRef/,
      );
    },
  );
});

describe('what was decrypted once', () => {
  beforeEach(() => {
    world.write({
      'app/kustomization.yaml': 'resources: [a.yaml]',
      'app/a.yaml': writer.encrypt(secret('a'), 'yaml', values),
    });
  });
  /** Programs that say their version and can do nothing. */
  const stopped = async (): Promise<WorldOptions> => {
    const programs: Record<string, string> = {};
    for (const name of ['render-host', 'sops'] as const) {
      const file = join(world.folder, `stopped-${name}`);
      const real = await findTool(name);
      writeFileSync(file, `#!/bin/sh\ncase "$*" in *version*) exec ${real} "$@";; esac\nexit 9\n`);
      chmodSync(file, 0o755);
      programs[name === 'sops' ? 'sops' : 'renderHost'] = file;
    }
    return { programs };
  };

  it('costs no process after a restart, is sealed on disk, and needs the same keys', async () => {
    const first = await render('app');
    expect(first.objects).toHaveLength(1);
    const withoutTools = await stopped();
    expect(await render('app', withoutTools)).toEqual(first);
    secrets['sops-age'] = { 'a.agekey': `${writer.ageIdentity}\n# rotated\n` };
    expect(await failureOf('app', withoutTools)).toMatchObject({ code: 'decryption_failed' });
    secrets = {};
    expect(await failureOf('app', withoutTools)).toMatchObject({ code: 'keys_missing' });
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCredentials } from './credentials.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function kubeconfig(user: string, cluster = ''): string {
  const file = join(folder, 'kubeconfig');
  const other = '{name: other, cluster: {server: "https://other.example.com"}}';
  writeFileSync(
    file,
    `current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [${other}, {name: c, cluster: {server: "https://api.example.com:6443", ${cluster}}}]
users: [{name: u, user: ${user}}]
`,
  );
  return file;
}
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('credentials', () => {
  test('of a kubeconfig are those of its current context, with data in the file', async () => {
    const kubeconfigPath = kubeconfig(
      `{client-certificate-data: ${base64('cert')}, client-key-data: ${base64('key')}}`,
      `certificate-authority-data: ${base64('ca')}, tls-server-name: api.internal`,
    );
    const { server, read } = createCredentials({ kubeconfigPath });
    expect(server).toBe('https://api.example.com:6443');
    expect(await read()).toEqual({
      ca: Buffer.from('ca'),
      cert: Buffer.from('cert'),
      key: Buffer.from('key'),
      servername: 'api.internal',
    });
  });

  test('in files beside the kubeconfig are read again each time', async () => {
    writeFileSync(join(folder, 'ca.crt'), 'ca');
    writeFileSync(join(folder, 'token'), 'one\n');
    const kubeconfigPath = kubeconfig(
      '{tokenFile: token, token: older}',
      'certificate-authority: ca.crt',
    );
    const { read } = createCredentials({ kubeconfigPath });
    expect(await read()).toMatchObject({
      ca: Buffer.from('ca'),
      headers: { authorization: 'Bearer one' },
    });
    writeFileSync(join(folder, 'token'), 'two');
    expect(await read()).toMatchObject({ headers: { authorization: 'Bearer two' } });
  });

  test('that a program hands out come from that program', async () => {
    const answer = JSON.stringify({
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'by-program' },
    });
    const program = join(folder, 'answer.json');
    writeFileSync(program, answer);
    const kubeconfigPath = kubeconfig(
      `{exec: {apiVersion: client.authentication.k8s.io/v1, command: cat, args: ["${program}"], interactiveMode: Never}}`,
      'insecure-skip-tls-verify: true',
    );
    const { read } = createCredentials({ kubeconfigPath });
    expect(await read()).toMatchObject({
      headers: { Authorization: 'Bearer by-program' },
      rejectUnauthorized: false,
    });
  });

  test('of a pod need its API server', () => {
    const inCluster = { host: 'fd00::1', port: 443 };
    expect(createCredentials({ inCluster }).server).toBe('https://[fd00::1]:443');
    expect(() => createCredentials({})).toThrow(/set KUBECONFIG, or run in a pod/);
    const empty = join(folder, 'empty');
    writeFileSync(empty, '');
    expect(() => createCredentials({ kubeconfigPath: empty })).toThrow(/names no current cluster/);
  });
});

import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createRenderWorld,
  createSopsWriter,
  type RenderWorld,
  type SopsWriter,
} from './testing/index.ts';

const canary = 'canary-1357-password';
let writer: SopsWriter;
let world: RenderWorld;
beforeAll(async () => {
  writer = await createSopsWriter();
}, 600_000);
afterAll(() => writer[Symbol.dispose]());
beforeEach(async () => {
  const secrets: Record<string, Record<string, string>> = {
    'sops-age': { 'age.agekey': writer.ageIdentity },
  };
  world = await createRenderWorld({ readSecret: async (name) => secrets[name] });
});
afterEach(() => world.remove());

const job = (name: string, env = '${HOST:=localhost}'): string => `apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: "curl:1", env: [{name: HOST, value: "${env}"}]}]
`;
const hostOf = (object: object | undefined): unknown =>
  (object as { spec: { template: { spec: { containers: { env: { value: string }[] }[] } } } })?.spec
    .template.spec.containers[0]?.env[0]?.value;

describe('one manifest of a path', () => {
  it('is rendered alone, whatever lies beside it', async () => {
    world.write({
      'verify/smoke.yaml': job('smoke'),
      'verify/load.yaml': job('load'),
      'verify/kustomization.yaml': 'resources: [broken.yaml]\n',
    });
    const { names } = await world.render({ path: 'verify' }, { file: 'smoke.yaml' });
    expect(names).toEqual(['Job/smoke']);
  });

  it('gets the values of its stage', async () => {
    world.write({ 'verify/smoke.yaml': job('smoke', '${HOST}.${cluster.name}') });
    const { objects } = await world.render(
      { path: 'verify', clusterName: 'eu-1' as never, render: { substitution: { HOST: 'shop' } } },
      { file: 'smoke.yaml' },
    );
    expect(hostOf(objects?.[0])).toBe('shop.eu-1');
  });

  it('is decrypted by the keys of its stage, and never without', async () => {
    world.write({ 'verify/smoke.yaml': writer.encrypt(job('smoke', canary), 'yaml') });
    const { objects } = await world.render(
      { path: 'verify', render: { sopsSecret: 'sops-age' } },
      { file: 'smoke.yaml' },
    );
    expect(hostOf(objects?.[0])).toBe(canary);
    const { failure } = await world.render({ path: 'verify' }, { file: 'smoke.yaml' });
    expect(failure?.message).not.toContain(canary);
    expect(failure?.terminal).toBe(true);
  });

  it('is no way out of the tree', async () => {
    world.write({ 'verify/smoke.yaml': job('smoke'), 'other.yaml': job('other') });
    symlinkSync('/etc/hosts', join(world.tree(), 'verify/link.yaml'));
    for (const file of ['none.yaml', '../other.yaml', 'link.yaml', '.', '..']) {
      const { failure } = await world.render({ path: 'verify' }, { file });
      expect(failure, file).toMatchObject({ code: 'path_missing', terminal: true });
    }
  });
});

// F04: a decryption that fails changes nothing and deletes nothing. The real sops renders for a reconciler on the cluster
// in memory.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  createRenderWorld,
  createSopsWriter,
  type SopsWriter,
} from '../../render/testing/index.ts';
import { assignmentOf, createWorld, isWrite, startAgent } from '../testing/index.ts';

let writer: SopsWriter;
beforeAll(async () => {
  writer = await createSopsWriter();
}, 600_000);
afterAll(() => writer[Symbol.dispose]());

test('F04: a tampered file and a missing key leave the cluster as it is, and say why', async () => {
  const keys = { 'age.agekey': writer.ageIdentity };
  const secrets: Record<string, typeof keys> = { keys };
  const files = await createRenderWorld({ readSecret: async (name) => secrets[name] });
  const world = createWorld();
  const render = async (commit: string) => {
    const { objects, failure } = await files.render({
      path: 'app',
      render: { sopsSecret: 'keys' },
    });
    world.renders.set(commit, objects ?? failure ?? []);
  };
  const secret = (name: string) =>
    writer.encrypt(
      `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, namespace: default}\nstringData: {p: canary}\n`,
      'yaml',
      ['--encrypted-regex', '^stringData$'],
    );
  files.write({ 'app/a.yaml': secret('a'), 'app/b.yaml': secret('b') });
  await render('good');
  files.write({ 'app/b.yaml': secret('b').replace('name: b', 'name: other') });
  await render('tampered');
  delete secrets.keys;
  await render('without-key');

  const agent = await startAgent(world);
  const unit = 'checkout/staging';
  const offer = async (generation: number, commit: string, phase: string) => {
    agent.reconciler.offer(assignmentOf(unit, generation, commit));
    return vi.waitFor(
      () => {
        const report = agent.report(unit);
        expect(report).toMatchObject({ phase, generation });
        return report;
      },
      { timeout: 10_000, interval: 5 },
    );
  };
  try {
    await offer(1, 'good', 'settled');
    world.requests.length = 0;
    const tampered = await offer(2, 'tampered', 'failed');
    expect(tampered?.message).toMatch(/app\/b\.yaml: the MAC does not match/);
    const missing = await offer(3, 'without-key', 'failed');
    expect(missing?.message).toMatch(/Secret keys in namespace fairlead-system does not exist/);
    expect(world.requests.filter((each) => isWrite(each) && each.kind !== 'Unit')).toEqual([]);
    expect(JSON.stringify([agent.audits, agent.reports])).not.toContain('canary');
    const names = world.cluster.objects().filter(({ kind }) => kind === 'Secret');
    expect(names.map(({ metadata }) => metadata.name).sort()).toEqual(['a', 'b']);
  } finally {
    await agent.kill();
    files.remove();
  }
});

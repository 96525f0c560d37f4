import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type System, type WorkingCopy, waitFor } from '../stack/index.ts';
import { type AuditEntry, createNarrator } from './narrator.ts';

const pipelines = ['shop', 'cache', 'platform'];

/** The story of the main job; throws where a step does not do what it says. */
export async function tellStory(
  system: System,
  resources: string,
  write: (line: string) => void,
): Promise<void> {
  const { hub, copy } = system;
  const production = system.cluster('production-1').controlPlane;
  const narrator = createNarrator(hub, write);
  const { say, chapter, tellUntil } = narrator;

  const replaceTag = async (from: string, to: string) => {
    for (const stage of ['staging', 'production']) {
      await edit(copy, `apps/shop/overlays/${stage}/kustomization.yaml`, (text) =>
        text.replaceAll(`shop/web, newTag: ${from}`, `shop/web, newTag: ${to}`),
      );
    }
  };
  const webImage = async () =>
    (
      await production.request('GET', '/apis/apps/v1/namespaces/shop/deployments/web')
    ).spec.template.spec.containers[0].image.split(':')[1];

  chapter('A first commit: three units, two stages');
  await narrator.skipToNow();
  await system.applyResources(resources);
  const first = await system.push('shop: first release');
  say(`   git push ${first.slice(0, 8)}`);
  const left = new Set(pipelines);
  await tellUntil('every pipeline has the commit in production', (entry) => {
    if (succeeded(entry, 'production', first)) left.delete(pipelineOf(entry));
    return left.size === 0;
  });
  expect((await webImage()) === '1.0.0', 'production runs web:1.0.0');

  chapter('A bad commit: its image cannot be pulled');
  await replaceTag('1.0.0', 'broken');
  const bad = await system.push('shop: a release that never becomes ready');
  say(`   git push ${bad.slice(0, 8)}`);
  await tellUntil(
    'staging fails with the bad commit',
    ({ type, event }) => type === 'RolloutFailed' && event.release === bad,
  );
  expect((await webImage()) === '1.0.0', 'production still runs web:1.0.0, untouched');
  say('\n   $ fairlead explain shop/production');
  say(indent(await hub.cli(['explain', 'shop/production', bad])));

  chapter('The fix');
  await replaceTag('broken', '1.0.1');
  const fix = await system.push('shop: use an image that exists');
  say(`   git push ${fix.slice(0, 8)}`);
  await tellUntil('production has the fix', (entry) => succeeded(entry, 'production', fix));
  expect((await webImage()) === '1.0.1', 'production runs web:1.0.1');

  chapter('Somebody changes production by hand');
  say('   $ kubectl delete service web; kubectl scale deployment api --replicas=0');
  const repaired = (entry: AuditEntry, name: string) =>
    entry.event.kind === 'DriftRepaired' && entry.event.object?.name === name;
  await production.kubectl(['delete', 'service', 'web', '--namespace=shop']);
  await tellUntil('the deleted service is back', (entry) => repaired(entry, 'web'));
  await production.kubectl(['scale', 'deployment', 'api', '--replicas=0', '--namespace=shop']);
  await tellUntil('the scaled deployment is back', (entry) => repaired(entry, 'api'));
  await production.request('GET', '/api/v1/namespaces/shop/services/web');
  expect((await apiReplicas(system)) === 3, 'the service exists and api has 3 replicas again');

  chapter('The hub is gone; production drifts all the same');
  await hub.process.stop();
  say('   hub stopped');
  await production.kubectl(['delete', 'service', 'api', '--namespace=shop']);
  await waitFor('the agent restores the service without the hub', async () =>
    Boolean(await production.request('GET', '/api/v1/namespaces/shop/services/api')),
  );
  say('   $ kubectl delete service api   → restored by the agent on its own');
  await hub.process.restart();
  say('   hub started again');
  await tellUntil('the audit has the repair', (entry) => repaired(entry, 'api'));

  chapter('Where things stand');
  say('   $ fairlead cluster list');
  say(indent(await hub.cli(['cluster', 'list'])));
  say('\n   $ fairlead status');
  say(indent(await hub.cli(['status'])));
  say('\n   $ kubectl get units -A   # in production, without the hub');
  say(indent(await production.kubectl(['get', 'units', '-A'])));
  say('\n   $ fairlead audit verify');
  say(indent(await hub.cli(['audit', 'verify'])));
  checkAudit(narrator.told());
  say('   Every agent’s audit events are in the log once and in order, without a gap.');
}

const succeeded = ({ type, event }: AuditEntry, stage: string, release: string): boolean =>
  type === 'RolloutSucceeded' && event.stage === stage && event.release === release;

const pipelineOf = ({ pipeline = '' }: AuditEntry): string => pipeline;

async function apiReplicas(system: System): Promise<number> {
  const { controlPlane } = system.cluster('production-1');
  const path = '/apis/apps/v1/namespaces/shop/deployments/api';
  return (await controlPlane.request('GET', path)).spec.replicas;
}

/** Each agent's sequence counts from 1 without a gap or a repetition. */
function checkAudit(entries: readonly AuditEntry[]): void {
  const last = new Map<string, number>();
  for (const { type, event } of entries) {
    expect(type !== 'AgentAuditGap', 'no audit event is missing');
    if (type !== 'AgentAudited') continue;
    const source = `${event.cluster}/${event.agentEpoch}`;
    const expected = (last.get(source) ?? 0) + 1;
    expect(event.sequence === expected, `audit event ${expected} of ${source} is in the log once`);
    last.set(source, event.sequence);
  }
}

async function edit(
  copy: WorkingCopy,
  path: string,
  change: (text: string) => string,
): Promise<void> {
  const text = await readFile(join(copy.directory, path), 'utf8');
  const changed = change(text);
  expect(changed !== text, `${path} was changed`);
  await copy.write(path, changed);
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not so: ${what}`);
}

const indent = (text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `   ${line}`)
    .join('\n');

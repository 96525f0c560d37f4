import type { KubernetesObject } from '@fairlead/shared/manifest';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMemoryCluster, fieldManager } from '../../cluster/index.ts';
import { ignoredOf, withoutIgnored } from '../../domain/drift/index.ts';

const address = { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'default', name: 'web' };
const value = fc.constantFrom('a', 'b', 'c', 1, 2);
const item = fc.record({ name: fc.constantFrom('x', 'y', 'z') }, { requiredKeys: ['name'] });
const named = fc.uniqueArray(
  item.chain(({ name }) =>
    fc.record({ image: value, port: value }, { requiredKeys: [] }).map((fields) => ({
      name,
      ...fields,
    })),
  ),
  { selector: ({ name }) => name, minLength: 1, maxLength: 3 },
);
const spec = fc.record(
  {
    replicas: value,
    limits: fc.record({ cpu: value, memory: value }, { requiredKeys: [] }),
    containers: named,
    args: fc.array(value, { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: [] },
);
type Spec = ReturnType<typeof spec.generate>['value'];

const object = (content: Spec): KubernetesObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: content,
});

/** Places to ignore, and what is there in an object: an item of `containers` is the one with the commit's name. */
const places = {
  '/spec/replicas': (content: Spec) => content.replicas,
  '/spec/limits': (content: Spec) => content.limits,
  '/spec/limits/cpu': (content: Spec) => content.limits?.cpu,
  '/spec/args': (content: Spec) => content.args,
  '/spec/containers/0/image': (content: Spec, commit: Spec) =>
    content.containers?.find(({ name }) => name === commit.containers?.[0]?.name)?.image,
};
type Place = keyof typeof places;

const specOf = async (cluster: ReturnType<typeof createMemoryCluster>): Promise<Spec> =>
  structuredClone((await cluster.get(address))?.spec ?? {}) as Spec;

/** Of what both hold: a field that a new commit no longer sets is given up, whatever rules say. */
const kept = (before: unknown, commit: unknown): boolean =>
  before !== undefined && commit !== undefined;

test('whatever others did and whatever commits say, an ignored place keeps what it has, and others get the commit', async () => {
  await fc.assert(
    fc.asyncProperty(
      spec,
      fc.array(fc.record({ by: fc.constantFrom('hpa', 'kubectl'), content: spec }), {
        maxLength: 3,
      }),
      spec,
      fc.constantFrom(...(Object.keys(places) as Place[])),
      async (first, edits, second, pointer) => {
        const cluster = createMemoryCluster();
        const commit = { ...first, ...second };
        await cluster.apply(object(first), { force: true });
        for (const { by, content } of edits) {
          cluster.edit(address, by, (live) => {
            live.spec = { ...(live.spec as object), ...content };
          });
        }
        const rule = { group: '', kind: '', namespace: '', name: '', managers: [] };
        const ignored = ignoredOf(object(commit), [{ ...rule, jsonPointers: [pointer] }]);
        if (!ignored) throw new Error('the rule concerns the object');
        const live = await cluster.get(address);
        const before = await specOf(cluster);
        const room = withoutIgnored(object(commit), ignored, { live, manager: fieldManager });
        await cluster.apply(room.object, { force: true });
        const after = await specOf(cluster);

        const at = places[pointer];
        if (kept(at(before, commit), at(commit, commit)) && pointer !== '/spec/limits') {
          expect(at(after, commit)).toEqual(at(before, commit));
        }
        for (const [other, valueAt] of Object.entries(places)) {
          if (other.startsWith(pointer) || pointer.startsWith(other)) continue;
          // Of a mapping others may hold fields that no commit sets.
          if (other === '/spec/limits' || valueAt(commit, commit) === undefined) continue;
          expect(valueAt(after, commit)).toEqual(valueAt(commit, commit));
        }
        // What was made room for once needs nothing more: the next apply changes nothing.
        const again = await cluster.get(address);
        const next = withoutIgnored(object(commit), ignored, {
          live: again,
          manager: fieldManager,
        });
        const settled = await cluster.apply(next.object, { force: true });
        expect(settled.spec).toEqual(again?.spec);
      },
    ),
    { numRuns: 150 },
  );
}, 30_000);

import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, test } from 'vitest';
import type { IgnoreRule } from '../link/index.ts';
import { ignoredOf, ignoreFaults, withoutIgnored } from './index.ts';

const rule = (change: Partial<IgnoreRule>): IgnoreRule => ({
  group: '',
  kind: '',
  namespace: '',
  name: '',
  jsonPointers: [],
  managers: [],
  ...change,
});

const web = (change: Partial<KubernetesObject['metadata']> = {}): KubernetesObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'shop', labels: { app: 'web' }, ...change },
  spec: {
    replicas: 2,
    template: {
      spec: {
        containers: [
          { name: 'web', image: 'web:1' },
          { name: 'proxy', image: 'proxy:1' },
        ],
      },
    },
  },
});

const imageOf = (name: string) => ({
  'f:spec': {
    'f:template': {
      'f:spec': { 'f:containers': { [`k:{"name":"${name}"}`]: { 'f:image': {} } } },
    },
  },
});
const ours = {
  'f:metadata': { 'f:labels': { 'f:app': {} } },
  'f:spec': {
    'f:replicas': {},
    'f:template': {
      'f:spec': {
        'f:containers': {
          'k:{"name":"web"}': { '.': {}, 'f:name': {}, 'f:image': {} },
          'k:{"name":"proxy"}': { '.': {}, 'f:name': {}, 'f:image': {} },
        },
      },
    },
  },
};

/** The object as it lives, with other values of what is ignored, and who set them. */
function live(replicas: number, others: Record<string, object> = {}): KubernetesObject {
  const object = structuredClone(web());
  (object.spec as { replicas: number }).replicas = replicas;
  object.metadata.managedFields = [
    { manager: 'fairlead', operation: 'Apply', fieldsV1: ours },
    ...Object.entries(others).map(([manager, fieldsV1]) => ({
      manager,
      operation: 'Update',
      fieldsV1,
    })),
  ];
  return object;
}

const applied = (
  rules: Partial<IgnoreRule>,
  found: KubernetesObject | undefined,
  desired = web(),
) => {
  const ignored = ignoredOf(desired, [rule(rules)]);
  return ignored && withoutIgnored(desired, ignored, { live: found, manager: 'fairlead' });
};

const replicas = { jsonPointers: ['/spec/replicas'] };
const scaled = { 'f:spec': { 'f:replicas': {} } };

describe('which rules concern an object', () => {
  test.each([
    [{}, true],
    [{ group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'web' }, true],
    [{ group: 'batch' }, false],
    [{ kind: 'StatefulSet' }, false],
    [{ namespace: 'other' }, false],
    [{ name: 'api' }, false],
  ])('%j: %s', (selector, concerns) => {
    const found = ignoredOf(web(), [rule({ ...selector, ...replicas })]);
    expect(found !== undefined).toBe(concerns);
  });

  test('an annotation of the object adds pointers of its own', () => {
    const annotations = { 'fairlead.dev/ignore-differences': '/spec/replicas, /data/a~1b' };
    expect(ignoredOf(web({ annotations }), [])).toEqual({
      pointers: [
        ['spec', 'replicas'],
        ['data', 'a/b'],
      ],
      managers: [],
    });
  });

  test('what is no pointer, and what Flux would not apply at all, are faults with a remedy', () => {
    const annotations = {
      'fairlead.dev/ignore-differences': 'spec.replicas',
      'kustomize.toolkit.fluxcd.io/ssa': 'Ignore',
    };
    expect(ignoreFaults(web({ annotations }))).toEqual([
      expect.stringMatching(/"spec\.replicas".*no JSON pointer such as/),
      expect.stringMatching(/leave the object out/),
    ]);
    expect(ignoreFaults(web())).toEqual([]);
  });
});

describe('what is applied in spite of a rule', () => {
  test('a new object is made whole', () => {
    expect(applied(replicas, undefined)).toEqual({ object: web(), ignored: [] });
  });

  test('a field that another manager has taken is left out', () => {
    const left = applied(replicas, live(7, { hpa: scaled }));
    expect(left?.object.spec).not.toHaveProperty('replicas');
    expect(left?.ignored).toEqual(['/spec/replicas']);
  });

  test('a field that only we hold keeps its live value: left out, it would be removed', () => {
    expect(applied(replicas, live(7))?.object.spec).toHaveProperty('replicas', 7);
  });

  test('a field that somebody removed stays removed', () => {
    const found = live(7);
    delete (found.spec as { replicas?: number }).replicas;
    expect(applied(replicas, found)?.object.spec).not.toHaveProperty('replicas');
  });

  test('an item of a list is met by its key, wherever it stands in the live object', () => {
    const found = live(2);
    const { containers } = (found.spec as ReturnType<typeof podSpec>).template.spec;
    containers.reverse();
    for (const container of containers) container.image += '-live';
    const left = applied({ jsonPointers: ['/spec/template/spec/containers/0/image'] }, found);
    expect(podSpec(left?.object).template.spec.containers).toEqual([
      { name: 'web', image: 'web:1-live' },
      { name: 'proxy', image: 'proxy:1' },
    ]);
  });

  test("a manager's fields are left to it, and its containers keep their names", () => {
    const left = applied(
      { managers: ['updater'] },
      live(2, { updater: imageOf('web'), hpa: scaled }),
    );
    expect(left?.object.spec).toHaveProperty('replicas', 2);
    expect(podSpec(left?.object).template.spec.containers).toEqual([
      { name: 'web' },
      { name: 'proxy', image: 'proxy:1' },
    ]);
    expect(left?.ignored).toEqual(['manager updater']);
  });

  test("what is new in the commit comes in spite of a manager's rule", () => {
    const desired = web();
    podSpec(desired).template.spec.containers.push({ name: 'new', image: 'new:1' });
    const left = applied({ managers: ['updater'] }, live(2, { updater: imageOf('web') }), desired);
    expect(podSpec(left?.object).template.spec.containers).toHaveLength(3);
  });

  test("Flux's IfNotPresent leaves a live object as it is, but for its name", () => {
    const annotations = { 'kustomize.toolkit.fluxcd.io/ssa': 'IfNotPresent' };
    const found = live(7, { updater: imageOf('web') });
    const left = applied({ kind: 'None', ...replicas }, found, web({ annotations }));
    expect(left?.object).toMatchObject({ metadata: { name: 'web', namespace: 'shop' } });
    expect(left?.object.spec).toHaveProperty('replicas', 7);
    expect(left?.object.metadata.annotations).toBeUndefined();
  });

  test('a rule without an effect changes nothing and is not counted', () => {
    const left = applied({ ...replicas, managers: ['vpa'] }, live(2));
    expect(left).toEqual({ object: web(), ignored: [] });
  });
});

// biome-ignore lint/suspicious/noExplicitAny: a test looks into an object of a known shape.
const podSpec = (object: KubernetesObject | undefined): any => object?.spec;

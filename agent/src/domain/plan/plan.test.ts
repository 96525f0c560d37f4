import { type KubernetesObject, objectKey, objectKeyText } from '@fairlead/shared/manifest';
import { expectOk } from '@fairlead/shared/result';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { UnitId } from '../link/index.ts';
import {
  comparePositions,
  containersOf,
  containsOf,
  isPruneDisabled,
  type LiveObject,
  ownerText,
  type PrunePolicy,
  plan,
  planPrune,
  planRemoval,
  planText,
  positionOf,
  reasonToStay,
} from './index.ts';

const owner = { unit: 'checkout/staging' as UnitId, applySetId: 'applyset-a-v1' };
const policy: PrunePolicy = {
  prune: true,
  deletionBudget: { objectsMax: 10, percentMax: 30 },
};

const object = (
  apiVersion: string,
  kind: string,
  name: string,
  annotations?: Record<string, string>,
): KubernetesObject => ({ apiVersion, kind, metadata: { name, namespace: 'shop', annotations } });

const live = (source: KubernetesObject, change: Partial<LiveObject> = {}): LiveObject => ({
  key: objectKey(source),
  apiVersion: source.apiVersion,
  uid: `uid-${source.metadata.name}`,
  partOf: owner.applySetId,
  owner: ownerText(owner.unit, objectKey(source)),
  keepReason: reasonToStay(source),
  position: positionOf(source),
  ownerUids: source.metadata.ownerReferences?.map(({ uid }) => uid) ?? [],
  contains: containsOf(source),
  ...change,
});

const config = (name: string) => object('v1', 'ConfigMap', name);
const planned = (desired: KubernetesObject[], existing: LiveObject[] = [], change = {}) =>
  plan({ owner, desired, live: existing, policy: { ...policy, ...change } });
const many = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, index) => config(`${prefix}-${index}`));
const text = (...input: Parameters<typeof planned>) =>
  planText(expectOk(planned(...input), 'plan'));

describe('order', () => {
  test('definitions come first, webhooks last, and a declared wave before the kind', () => {
    const desired = [
      object('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', 'guard'),
      object('apps/v1', 'Deployment', 'web'),
      object('batch/v1', 'Job', 'migrate', { 'argocd.argoproj.io/sync-wave': '-1' }),
      object('v1', 'Service', 'web'),
      object('example.com/v1', 'Widget', 'late', { 'fairlead.dev/wave': '2' }),
      object('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'widgets.example.com'),
      object('v1', 'Namespace', 'shop'),
    ];
    expect(text(desired)).toBe(
      `wave first definitions, once the rest is applied
  apply /Namespace/shop/shop
  apply apiextensions.k8s.io/CustomResourceDefinition/shop/widgets.example.com
wave -1 workloads, once the rest is defined
  apply batch/Job/shop/migrate
wave 0 configuration, once the rest is healthy
  apply /Service/shop/web
wave 0 workloads, once the rest is applied
  apply apps/Deployment/shop/web
wave 0 webhooks, once the rest is applied
  apply admissionregistration.k8s.io/ValidatingWebhookConfiguration/shop/guard
wave 2 workloads, once the rest is healthy
  apply example.com/Widget/shop/late`,
    );
  });

  test('hooks come before all waves, in their wave, after all of them, or only on failure; some never', () => {
    const desired = [
      object('v1', 'Namespace', 'shop'),
      object('apps/v1', 'Deployment', 'web', { 'fairlead.dev/wave': '-3' }),
      object('batch/v1', 'Job', 'migrate', {
        'helm.sh/hook': 'pre-upgrade,pre-install',
        'helm.sh/hook-weight': '2',
      }),
      object('v1', 'ServiceAccount', 'migrate', {
        'helm.sh/hook': 'pre-install,pre-upgrade',
        'helm.sh/hook-weight': '1',
      }),
      object('batch/v1', 'Job', 'sync', { 'argocd.argoproj.io/hook': 'Sync' }),
      object('batch/v1', 'Job', 'notify', {
        'argocd.argoproj.io/hook': 'PostSync',
        'argocd.argoproj.io/sync-wave': '-1',
      }),
      object('batch/v1', 'Job', 'alarm', { 'argocd.argoproj.io/hook': 'SyncFail' }),
      object('batch/v1', 'Job', 'never', { 'argocd.argoproj.io/hook': 'Skip' }),
      object('batch/v1', 'Job', 'test', { 'helm.sh/hook': 'test' }),
    ];
    expect(text(desired)).toBe(
      `wave first definitions, once the rest is applied
  apply /Namespace/shop/shop
before all waves: wave 1 configuration, once the rest is defined
  apply /ServiceAccount/shop/migrate
before all waves: wave 2 workloads, once the rest is healthy
  apply batch/Job/shop/migrate
wave -3 workloads, once the rest is healthy
  apply apps/Deployment/shop/web
wave 0 workloads, once the rest is healthy
  apply batch/Job/shop/sync
after all waves: wave -1 workloads, once the rest is healthy
  apply batch/Job/shop/notify
on failure apply batch/Job/shop/alarm`,
    );
  });

  test('a hook that runs to an end carries its run, and no other object does', () => {
    const hook = { 'argocd.argoproj.io/hook': 'PreSync' };
    const desired = [object('batch/v1', 'Job', 'migrate', hook), object('v1', 'Secret', 'a', hook)];
    const planned = plan({ owner, desired, live: [], policy, hookRun: '1.7' });
    const runs = expectOk(planned, 'plan')
      .steps.flatMap((step) => step.objects)
      .map(({ kind, metadata }) => [kind, metadata.annotations?.['fairlead.dev/hook-run']]);
    expect(runs).toEqual([
      ['Secret', undefined],
      ['Job', '1.7'],
    ]);
  });

  test('every object carries its owner in its label and annotation', () => {
    const { steps } = expectOk(planned([config('a')]), 'plan');
    expect(steps[0]?.objects[0]?.metadata).toMatchObject({
      labels: { 'applyset.kubernetes.io/part-of': 'applyset-a-v1' },
      annotations: { 'fairlead.dev/owner': 'checkout/staging:/ConfigMap/shop/a' },
    });
  });

  test('two objects of one identity are a fault', () => {
    const twice = [
      object('apps/v1', 'Deployment', 'web'),
      object('apps/v1beta1', 'Deployment', 'web'),
    ];
    expect(planned(twice)).toMatchObject({
      error: ['apps/Deployment/shop/web is rendered more than once'],
    });
  });

  test('a wave that is no number is a fault', () => {
    expect(planned([object('v1', 'Pod', 'a', { 'fairlead.dev/wave': 'first' })]).ok).toBe(false);
  });
});

describe('prune', () => {
  test('F04 F05: an empty render is a fault, so nothing is removed', () => {
    expect(planned([], [live(config('old'))]).ok).toBe(false);
  });

  test('what is no longer rendered goes in reverse order', () => {
    const old = [config('settings'), object('apps/v1', 'Deployment', 'old'), config('more')];
    const existing = old.map((source) => live(source));
    expect(text([config('keep')], existing)).toContain(
      `prune
  remove apps/Deployment/shop/old
prune
  remove /ConfigMap/shop/settings
  remove /ConfigMap/shop/more`,
    );
  });

  test.each([
    ['another ApplySet owns it', { partOf: 'applyset-b-v1' }],
    ['its owner annotation names another unit or object, so it is a copy', { owner: '' }],
    [
      'its owner annotation names another unit or object, so it is a copy',
      { owner: ownerText(owner.unit, objectKey(config('original'))) },
    ],
    [
      'its owner annotation names another unit or object, so it is a copy',
      { owner: ownerText('checkout/production' as UnitId, objectKey(config('old'))) },
    ],
    ['an annotation disables its pruning', { keepReason: 'an annotation disables its pruning' }],
  ])('an object is kept when %s', (reason, change) => {
    expect(text([config('a')], [live(config('old'), change)])).toContain(
      `keep /ConfigMap/shop/old: ${reason}`,
    );
  });

  test.each<Record<string, string>>([
    { 'fairlead.dev/prune': 'disabled' },
    { 'argocd.argoproj.io/sync-options': 'Validate=false,Prune=false' },
    { 'argocd.argoproj.io/sync-options': 'Prune=confirm' },
    { 'argocd.argoproj.io/sync-options': 'Delete=false' },
    { 'kustomize.toolkit.fluxcd.io/prune': 'Disabled' },
    { 'helm.sh/resource-policy': 'keep' },
  ])('%j keeps an object', (annotations) => {
    expect(isPruneDisabled({ name: 'a', annotations })).toBe(true);
  });

  test('nothing goes when pruning is switched off', () => {
    expect(text([config('a')], [live(config('old'))], { prune: false })).toContain(
      'keep /ConfigMap/shop/old: pruning is switched off',
    );
  });

  test.each([
    [11, 1, true],
    [10, 1, false],
    [11, 26, false],
    [11, 25, true],
  ])('%i gone beside %i kept is held: %s (both limits must be passed)', (gone, kept, held) => {
    const result = planned(
      many(kept, 'kept'),
      [...many(gone, 'gone'), ...many(kept, 'kept')].map((source) => live(source)),
    );
    expect(expectOk(result, 'plan').prune.held !== '').toBe(held);
  });
});

describe('order of a prune', () => {
  const clusterScoped = (source: KubernetesObject): KubernetesObject => ({
    ...source,
    metadata: { ...source.metadata, namespace: undefined },
  });
  const definition = {
    ...clusterScoped(
      object('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'widgets.example.com'),
    ),
    spec: { group: 'example.com', names: { kind: 'Widget', plural: 'widgets' } },
  };
  const namespace = clusterScoped(object('v1', 'Namespace', 'shop'));
  const widget = (name: string, change: Partial<KubernetesObject['metadata']> = {}) => {
    const source = object('example.com/v1', 'Widget', name);
    return { ...source, metadata: { ...source.metadata, ...change } };
  };
  const goes = (...sources: KubernetesObject[]) =>
    text(
      [clusterScoped(object('v1', 'Node', 'stays'))],
      sources.map((source) => live(source)),
    )
      .split('\n')
      .filter((line) => /^ {2}remove|^keep|^prune/.test(line))
      .join('\n');

  test('a definition goes after its objects and a namespace after what is in it, whatever their waves say', () => {
    const early = { 'fairlead.dev/wave': '-5' };
    expect(goes(widget('one', { annotations: early }), definition, namespace)).toBe(
      `prune
  remove example.com/Widget/shop/one
prune
  remove apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com
  remove /Namespace//shop`,
    );
    const late = {
      ...definition,
      metadata: { ...definition.metadata, annotations: { 'fairlead.dev/wave': '9' } },
    };
    expect(goes(late, widget('one'))).toBe(
      `prune
  remove example.com/Widget/shop/one
prune
  remove apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com`,
    );
  });

  test('an object goes before the one that owns it, whatever the order of their kinds', () => {
    const owned = config('owned');
    owned.metadata.ownerReferences = [
      { uid: 'uid-web', kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' },
    ];
    expect(goes(object('apps/v1', 'Deployment', 'web'), owned)).toBe(
      `prune
  remove /ConfigMap/shop/owned
prune
  remove apps/Deployment/shop/web`,
    );
  });

  test('objects that own each other in a circle all go', () => {
    const ring = ['a', 'b', 'c'].map((name, index, all) => {
      const source = config(name);
      const next = all[(index + 1) % all.length] ?? '';
      source.metadata.ownerReferences = [
        { uid: `uid-${next}`, kind: 'ConfigMap', name: next, apiVersion: 'v1' },
      ];
      return source;
    });
    expect(goes(...ring).match(/remove/g)).toHaveLength(3);
  });

  test('a namespace, a definition or an owner stays with what of the unit stays in it', () => {
    const kept = widget('kept', {
      annotations: { 'fairlead.dev/prune': 'disabled' },
      ownerReferences: [{ uid: 'uid-owner', kind: 'ConfigMap', name: 'owner', apiVersion: 'v1' }],
    });
    expect(goes(definition, namespace, config('owner'), kept).split('\n').sort().join('\n')).toBe(
      `keep /ConfigMap/shop/owner: it owns example.com/Widget/shop/kept, which stays
keep /Namespace//shop: it holds example.com/Widget/shop/kept, which stays
keep apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com: it holds example.com/Widget/shop/kept, which stays
keep example.com/Widget/shop/kept: an annotation disables its pruning`,
    );
  });

  test.each(['PersistentVolumeClaim', 'PersistentVolume'])(
    'a %s holds data and goes only with an explicit allowance',
    (kind) => {
      expect(goes(object('v1', kind, 'data'))).toContain('keep');
      expect(goes(object('v1', kind, 'data', { 'fairlead.dev/prune': 'enabled' }))).toContain(
        'remove',
      );
    },
  );

  test('an explicit order keeps what is protected as well, and is held above the count that it names', () => {
    const sources = [config('a'), config('b'), object('v1', 'PersistentVolumeClaim', 'data')];
    const removal = (objectsMax: number) =>
      planRemoval({
        owner,
        live: sources.map((source) => live(source)),
        policy: { prune: false, deletionBudget: { objectsMax, percentMax: 0 } },
      });
    expect(removal(2)).toMatchObject({ prune: { held: '', objectsTotal: 2 }, kept: [{}] });
    expect(removal(1).prune.held).toContain('2 of 2 objects');
  });
});

describe('properties', () => {
  const name = fc.stringMatching(/^[a-f]{1,2}$/);
  const source = fc
    .record({
      kind: fc.constantFrom('ConfigMap', 'Namespace', 'Pod', 'Secret'),
      name,
      wave: fc.option(fc.integer({ min: -2, max: 2 })),
      hook: fc.constantFrom('', '', '', 'PreSync', 'Sync', 'PostSync'),
    })
    .map(({ kind, name: objectName, wave, hook }) =>
      object('v1', kind, objectName, {
        ...(wave === null ? {} : { 'fairlead.dev/wave': String(wave) }),
        ...(hook === '' ? {} : { 'argocd.argoproj.io/hook': hook }),
      }),
    );
  const existing = fc
    .tuple(source, fc.boolean(), fc.boolean(), fc.boolean())
    .map(([at, foreign, copied, pruneDisabled]) =>
      live(at, {
        ...(foreign ? { partOf: 'applyset-other-v1' } : {}),
        ...(copied ? { owner: 'checkout/staging:/ConfigMap/shop/another' } : {}),
        ...(pruneDisabled ? { keepReason: 'an annotation disables its pruning' } : {}),
      }),
    );

  test('only own, unwanted, unprotected objects are ever removed, and all desired ones are applied once', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(source, { selector: (at) => JSON.stringify(objectKey(at)), minLength: 1 }),
        fc.array(existing),
        (desired, livingObjects) => {
          const result = expectOk(planned(desired, livingObjects), 'plan');
          const wanted = desired.map((at) => JSON.stringify(objectKey(at)));
          const applied = result.steps
            .flatMap((step) => step.objects)
            .map((at) => JSON.stringify(objectKey(at)));
          expect(applied.toSorted()).toEqual(wanted.toSorted());
          for (const removal of result.prune.steps.flat()) {
            expect(wanted).not.toContain(JSON.stringify(removal.key));
            expect(
              livingObjects.some(
                (at) =>
                  at.uid === removal.uid &&
                  at.partOf === owner.applySetId &&
                  at.owner === ownerText(owner.unit, removal.key) &&
                  at.keepReason === '',
              ),
            ).toBe(true);
          }
        },
      ),
    );
  });

  const anyLive = fc
    .record({
      kind: fc.constantFrom('ConfigMap', 'Namespace', 'Widget', 'Definition', 'Claim'),
      name: fc.constantFrom('a', 'b', 'c'),
      wave: fc.option(fc.integer({ min: -2, max: 2 })),
      uid: fc.integer({ min: 0, max: 9 }),
      owners: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 2 }),
      foreign: fc.boolean(),
      disabled: fc.boolean(),
    })
    .map(({ kind, name: at, wave, uid, owners, foreign, disabled }) => {
      const annotations = {
        ...(wave === null ? {} : { 'fairlead.dev/wave': String(wave) }),
        ...(disabled ? { 'fairlead.dev/prune': 'disabled' } : {}),
      };
      const sources: Record<string, KubernetesObject> = {
        ConfigMap: object('v1', 'ConfigMap', at, annotations),
        Claim: object('v1', 'PersistentVolumeClaim', at, annotations),
        Widget: object('example.com/v1', 'Widget', at, annotations),
        Namespace: {
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: { name: at === 'a' ? 'shop' : at, annotations },
        },
        Definition: {
          apiVersion: 'apiextensions.k8s.io/v1',
          kind: 'CustomResourceDefinition',
          metadata: { name: `${at}.example.com`, annotations },
          spec: { group: 'example.com', names: { kind: at === 'a' ? 'Widget' : at } },
        },
      };
      const change = { uid: `uid-${uid}`, ownerUids: owners.map((owned) => `uid-${owned}`) };
      return live(sources[kind] as KubernetesObject, {
        ...change,
        ...(foreign ? { partOf: 'applyset-other-v1' } : {}),
      });
    });
  const living = fc.uniqueArray(anyLive, {
    selector: ({ key }) => JSON.stringify(key),
    comparator: (left, right) => left === right,
    maxLength: 12,
  });
  const unique = (objects: LiveObject[]) => [
    ...new Map(objects.map((at) => [at.uid, at])).values(),
  ];
  const tiny = { objectsMax: 2, percentMax: 20 };
  const holds = (holder: LiveObject, at: LiveObject) =>
    holder.uid !== at.uid &&
    (at.ownerUids.includes(holder.uid) ||
      (holder.contains !== '' && containersOf(at.key).includes(holder.contains)));

  test.each(['prune', 'removal'])(
    'promise 6, %s: what goes is owned, unwanted, unprotected, holds nothing that stays, and goes once and dependents first',
    (what) => {
      fc.assert(
        fc.property(living, fc.subarray(['a', 'b', 'c']), (generated, wantedNames) => {
          const objects = unique(generated);
          const keyText = ({ key }: Pick<LiveObject, 'key'>) => objectKeyText(key);
          const wanted = new Set(
            what === 'removal'
              ? []
              : objects.filter(({ key }) => wantedNames.includes(key.name)).map(keyText),
          );
          const input = { owner, live: objects, policy: { prune: true, deletionBudget: tiny } };
          const { prune, kept } =
            what === 'removal' ? planRemoval(input) : planPrune({ ...input, wanted });
          const order = prune.steps.flat();
          const going = new Map(order.map((at, index) => [at.uid, index]));
          expect(going.size).toBe(order.length);
          expect(prune.objectsTotal).toBe(order.length);
          const stays = objects.filter(({ uid }) => !going.has(uid));
          for (const at of objects.filter(({ uid }) => going.has(uid))) {
            expect(wanted.has(keyText(at))).toBe(false);
            expect(at).toMatchObject({ partOf: owner.applySetId, keepReason: '' });
            expect(stays.filter((staying) => holds(at, staying))).toEqual([]);
          }
          const reasons = new Set(kept.map(keyText));
          for (const at of stays)
            expect(wanted.has(keyText(at)) || reasons.has(keyText(at))).toBe(true);
          const owned = wanted.size + order.length;
          const over = order.length > 2 && (100 * order.length) / owned > 20;
          expect(prune.held !== '').toBe(over);
          const stepOf = new Map(
            prune.steps.flatMap((step, index) => step.map(({ uid }) => [uid, index] as const)),
          );
          const circular = (from: LiveObject, to: LiveObject): boolean => {
            const seen = new Set<string>();
            const queue = [to];
            for (let at = queue.pop(); at; at = queue.pop()) {
              if (at.uid === from.uid) return true;
              if (seen.has(at.uid)) continue;
              seen.add(at.uid);
              const current = at;
              queue.push(...objects.filter((next) => going.has(next.uid) && holds(next, current)));
            }
            return false;
          };
          for (const dependent of objects) {
            for (const holder of objects) {
              if (!going.has(dependent.uid) || !going.has(holder.uid)) continue;
              if (!holds(holder, dependent) || circular(dependent, holder)) continue;
              expect(stepOf.get(dependent.uid)).toBeLessThan(stepOf.get(holder.uid) ?? -1);
            }
          }
        }),
        { numRuns: 500 },
      );
    },
  );
  test('no step comes before one that goes before it by section, wave and phase', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(source, { selector: (at) => JSON.stringify(objectKey(at)), minLength: 1 }),
        (desired) => {
          const { steps } = expectOk(planned(desired), 'plan');
          for (const [index, step] of steps.entries()) {
            for (const at of step.objects)
              expect(positionOf(at)).toMatchObject({ wave: step.wave });
            const next = steps[index + 1];
            if (next) expect(comparePositions(step, next)).toBeLessThan(0);
          }
        },
      ),
    );
  });

  test('a prune over the budget is held, whatever goes, and one that is not held is within it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 60 }),
        fc.record({
          objectsMax: fc.integer({ min: 0, max: 50 }),
          percentMax: fc.integer({ min: 0, max: 100 }),
        }),
        (kept, gone, deletionBudget) => {
          const existing = [...many(kept, 'kept'), ...many(gone, 'gone')].map((at) => live(at));
          const result = planned(many(kept, 'kept'), existing, { deletionBudget });
          const { prune } = expectOk(result, 'plan');
          const percent = (100 * gone) / (kept + gone);
          const isOver = gone > deletionBudget.objectsMax && percent > deletionBudget.percentMax;
          expect(prune.held !== '').toBe(isOver);
          expect(prune.steps.flat()).toHaveLength(gone);
        },
      ),
    );
  });

  test('the order of the rendered objects does not change the plan', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(source, { selector: (at) => JSON.stringify(objectKey(at)), minLength: 1 }),
        (desired) => {
          expect(text(desired.toReversed())).toBe(text(desired));
        },
      ),
    );
  });
});

import type { KubernetesObject } from '@fairlead/shared/manifest';
import { describe, expect, it } from 'vitest';
import { assignmentOf } from '../journal/testing/index.ts';
import { substitute } from './substitution.ts';

const limits = { outputBytesMax: 10_000, objectsMax: 10, depthMax: 20 };
const values = {
  name: 'web',
  replicas: '3',
  on: 'true',
  empty: '',
  yaml: 'a\nb: {c: d}',
  v: '1.10',
};
const labels = { region: 'eu-1', 'example.com/tier': 'gold' };

function run(
  object: Partial<KubernetesObject> | readonly Partial<KubernetesObject>[],
  { isDecrypted = false, isOff = false } = {},
) {
  const base = assignmentOf({ clusterName: 'east', clusterLabels: labels });
  const assignment = {
    ...base,
    render: { ...base.render, substitution: isOff ? undefined : values },
  };
  const rendered = [object].flat().map((each) => ({
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a' },
      ...each,
    } as KubernetesObject,
    isDecrypted,
  }));
  const result = substitute(rendered, assignment, limits);
  return result.ok
    ? { objects: result.value.map(({ object }) => object) }
    : { failure: result.error };
}
const specOf = (value: unknown) => run({ spec: { value } }).objects?.[0]?.spec;
const faultOf = (object: Partial<KubernetesObject>) => run(object).failure?.message;

describe('substitution', () => {
  it.each<[string, unknown, unknown]>([
    ['a value of the stage', '${name}-v1', 'web-v1'],
    ['two in one text', '${name}.${cluster.name}', 'web.east'],
    ['a label of the cluster', '${cluster.labels.region}', 'eu-1'],
    ['a label with a prefix', '${cluster.labels.example.com/tier}', 'gold'],
    ['a default that is not needed', '${name:=other}', 'web'],
    ['a default that is needed', '${missing:=other}', 'other'],
    ['a default in the other form', '${missing:-o:t-h=er}', 'o:t-h=er'],
    ['an empty default', 'x${missing:=}', 'x'],
    ['an empty value, which is a value', 'x${empty:=y}', 'x'],
    ['an escape', '$${name} and ${name}', '${name} and web'],
    ['what a shell would expand otherwise', '$HOME $(date) $name', '$HOME $(date) $name'],
    ['a value that is not read again', '${missing:=$}{name}', '${name}'],
  ])('replaces %s', (_name, text, expected) => {
    expect(specOf(text)).toEqual({ value: expected });
  });

  it.each<[string, unknown]>([
    ['${replicas}', 3],
    ['${replicas:=1}', 3],
    ['${missing:=2}', 2],
    ['${on}', true],
    ['${v}', '1.10'],
    ['${missing:=007}', '007'],
    ['${missing:=-0.5}', -0.5],
    ['${replicas:text}', '3'],
    ['${missing:text:=2}', '2'],
    ['${replicas}m', '3m'],
    ['${name}', 'web'],
  ])('a field that is one placeholder has the type of its value: %s', (text, expected) => {
    expect(specOf(text)).toEqual({ value: expected });
  });

  it('text fields of Kubernetes stay text', () => {
    const object = {
      metadata: { name: 'a', labels: { on: '${on}' }, annotations: { n: '${replicas}' } },
      data: { port: '${replicas}' },
      spec: {
        selector: { v: '${replicas}' },
        containers: [
          { image: '${v}', env: [{ name: 'N', value: '${replicas}' }], args: ['${on}'] },
        ],
      },
    };
    expect(run(object).objects?.[0]).toMatchObject({
      metadata: { name: 'a', labels: { on: 'true' }, annotations: { n: '3' } },
      data: { port: '3' },
      spec: {
        selector: { v: '3' },
        containers: [{ image: '1.10', env: [{ name: 'N', value: '3' }], args: ['true'] }],
      },
    });
  });

  it('a value with line breaks and YAML stays one value', () => {
    expect(specOf('${yaml}')).toEqual({ value: 'a\nb: {c: d}' });
  });

  it('names object, field and name of everything that has no value, all at once', () => {
    const spec = { a: '${one}', list: [{ b: 'x${two}' }], shell: '${#x}', open: '${' };
    const { failure } = run({ spec });
    expect(failure).toMatchObject({ code: 'value_missing', terminal: true });
    expect(failure?.message.split('; ')).toEqual([
      'ConfigMap a: spec.a: ${one} has no value and no default',
      'ConfigMap a: spec.list[0].b: ${two} has no value and no default',
      'ConfigMap a: spec.shell: holds `${` that begins no placeholder',
      'write `$${` for the text itself',
      'ConfigMap a: spec.open: holds `${` that begins no placeholder',
      'write `$${` for the text itself',
    ]);
  });

  it('does nothing in a key but say so', () => {
    expect(faultOf({ data: { '${name}': 'x' } })).toBe(
      'ConfigMap a: data.${name}: is a key, and keys are not substituted',
    );
  });

  it.each([
    ['an annotation', { annotations: { 'fairlead.dev/substitute': 'disabled' } }],
    [
      'Flux’s annotation',
      { annotations: { 'kustomize.toolkit.fluxcd.io/substitute': 'disabled' } },
    ],
    ['Flux’s label', { labels: { 'kustomize.toolkit.fluxcd.io/substitute': 'disabled' } }],
  ])('leaves an object out that opts out by %s', (_name, metadata) => {
    const object = { metadata: { name: 'a', ...metadata }, data: { script: 'echo ${PATH}' } };
    expect(run(object).objects?.[0]?.data).toEqual({ script: 'echo ${PATH}' });
  });

  it('touches only the metadata of decrypted objects, and quotes nothing of them', () => {
    const metadata = { name: 'a', labels: { region: '${cluster.labels.region}' } };
    const object = { metadata, data: { password: 'a${b}' } };
    expect(run(object, { isDecrypted: true }).objects?.[0]).toMatchObject({
      metadata: { labels: { region: 'eu-1' } },
      data: object.data,
    });
    const broken = { metadata: { name: 'a', annotations: { secret: '${canary}' } } };
    expect(run(broken, { isDecrypted: true }).failure?.message).toBe(
      'ConfigMap a: metadata.annotations.secret: holds a placeholder without a value',
    );
  });

  it('leaves stages without it as they are', () => {
    const object = { data: { password: 'a${b}' } };
    expect(run(object, { isOff: true }).objects?.[0]?.data).toEqual(object.data);
  });

  it('is limited in what it makes', () => {
    const spec = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`k${index}`, `\${missing:=${'x'.repeat(200)}}`]),
    );
    expect(run({ spec }).failure).toMatchObject({ code: 'limit_exceeded' });
  });

  it('two objects that become one are refused', () => {
    const { failure } = run([{ metadata: { name: 'web' } }, { metadata: { name: '${name}' } }]);
    expect(failure).toMatchObject({
      code: 'object_duplicate',
      message: 'ConfigMap web: ConfigMap web is rendered already by ConfigMap web',
    });
  });
});

import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { renderInstallManifest } from './install-manifest.ts';

const options = {
  clusterName: 'edge-1',
  joinToken: 'flj_0123456789abcdefghjkmnpqrstvwxyz',
  caKeyHash: `sha256:${'ab'.repeat(32)}`,
  enrolAddress: 'hub.example.test:9081',
  image: 'ghcr.io/fairlead/agent:0.1.0',
};

type Rule = { readonly verbs: readonly string[] };

const documents = (manifest: string) =>
  parseAllDocuments(manifest).map((document) => {
    if (!('toJS' in document)) throw new Error('no documents');
    expect(document.errors).toEqual([]);
    return document.toJS();
  });

describe('the install manifest', () => {
  test('is what people apply today', async () => {
    await expect(renderInstallManifest(options)).toMatchFileSnapshot(
      './install-manifest.golden.yaml',
    );
  });

  const least = {
    namespaces: ['shop', 'payments'],
    rights: 'impersonate',
    requirePolicy: true,
  } as const;

  test('for some namespaces is what people apply today', async () => {
    const { namespaces } = least;
    await expect(renderInstallManifest({ ...options, namespaces })).toMatchFileSnapshot(
      './install-manifest-namespaces.golden.yaml',
    );
  });

  test('with the least rights is what people apply today', async () => {
    await expect(renderInstallManifest({ ...options, ...least })).toMatchFileSnapshot(
      './install-manifest-least.golden.yaml',
    );
  });

  test('of an agent in a namespace of its own names nothing that another agent of the cluster has', () => {
    const names = (agentNamespace?: string) =>
      documents(renderInstallManifest({ ...options, agentNamespace }))
        .filter(({ kind }) => kind !== 'CustomResourceDefinition')
        .map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    const own = names('fairlead-blue');
    expect(own).toContain('ClusterRoleBinding /fairlead-agent-fairlead-blue');
    expect(own.filter((name) => names().includes(name))).toEqual([]);
    expect(own.filter((name) => names('fairlead-green').includes(name))).toEqual([]);
  });

  test('for some namespaces gives no right beyond them, but to tell the cluster', () => {
    const objects = documents(renderInstallManifest({ ...options, ...least }));
    expect(objects.filter(({ kind }) => /^ClusterRole/.test(kind))).toEqual([]);
    const roles = objects.filter(({ kind }) => kind === 'Role');
    expect(roles.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)).toEqual([
      'shop/fairlead-agent-units',
      'payments/fairlead-agent-units',
      'kube-system/fairlead-agent-identity',
      'fairlead-system/fairlead-agent',
    ]);
    const bindings = objects.filter(({ kind }) => kind === 'RoleBinding');
    for (const [index, { metadata, roleRef, subjects }] of bindings.entries()) {
      expect(roleRef.name).toBe(roles[index].metadata.name);
      expect(metadata.namespace).toBe(roles[index].metadata.namespace);
      expect(subjects).toEqual([
        { kind: 'ServiceAccount', name: 'fairlead-agent', namespace: 'fairlead-system' },
      ]);
    }
    const writes = ['create', 'patch', 'update', 'delete'];
    const ofUnits = roles
      .slice(0, 2)
      .flatMap(({ rules }) => rules.flatMap((rule: Rule) => rule.verbs));
    expect(ofUnits.filter((verb) => writes.includes(verb))).toEqual([]);
    expect(roles[2].rules).toEqual([
      {
        apiGroups: [''],
        resources: ['namespaces'],
        resourceNames: ['kube-system'],
        verbs: ['get'],
      },
    ]);
  });

  test('sets the agent up as it was asked for', () => {
    const variables = (change: object) => {
      const objects = documents(renderInstallManifest({ ...options, ...change }));
      const { containers } = objects.find(({ kind }) => kind === 'StatefulSet').spec.template.spec;
      return Object.fromEntries(
        containers[0].env.map(({ name, value }: { name: string; value: string }) => [name, value]),
      );
    };
    expect(variables(least)).toMatchObject({
      FAIRLEAD_WATCH_NAMESPACES: 'shop,payments',
      FAIRLEAD_POLICY_REQUIRED: 'true',
    });
    expect(variables({})).not.toHaveProperty('FAIRLEAD_WATCH_NAMESPACES');
    expect(variables({})).not.toHaveProperty('FAIRLEAD_POLICY_REQUIRED');
  });

  test('is YAML of exactly these objects, each in the wanted namespace', () => {
    const objects = documents(renderInstallManifest({ ...options, agentNamespace: 'elsewhere' }));
    expect(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual([
      'Namespace/elsewhere',
      'CustomResourceDefinition/units.fairlead.dev',
      'ServiceAccount/fairlead-agent',
      'ClusterRole/fairlead-agent-elsewhere',
      'ClusterRoleBinding/fairlead-agent-elsewhere',
      'Role/fairlead-agent',
      'RoleBinding/fairlead-agent',
      'Secret/fairlead-agent-join',
      'StatefulSet/fairlead-agent',
    ]);
    for (const { metadata } of objects) expect(metadata.namespace ?? 'elsewhere').toBe('elsewhere');
  });

  test('keeps a value with line breaks and quotes within its field', () => {
    const clusterName = 'x"\n---\nkind: Evil\n# ';
    const objects = documents(renderInstallManifest({ ...options, clusterName }));
    expect(objects.some(({ kind }) => kind === 'Evil')).toBe(false);
    const secret = objects.find(({ kind }) => kind === 'Secret');
    expect(secret.stringData.clusterName).toBe(clusterName);
  });

  test('asks for no right beyond reading and writing objects, and to act as service accounts', () => {
    const role = documents(renderInstallManifest(options)).find(
      ({ kind }) => kind === 'ClusterRole',
    );
    expect(role.rules).toEqual([
      {
        apiGroups: ['*'],
        resources: ['*'],
        verbs: ['get', 'list', 'watch', 'create', 'patch', 'update', 'delete'],
      },
      { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['impersonate'] },
    ]);
  });
});

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

  test('is YAML of exactly these objects, each in the wanted namespace', () => {
    const objects = documents(renderInstallManifest({ ...options, namespace: 'elsewhere' }));
    expect(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual([
      'Namespace/elsewhere',
      'CustomResourceDefinition/units.fairlead.dev',
      'ServiceAccount/fairlead-agent',
      'ClusterRole/fairlead-agent',
      'ClusterRoleBinding/fairlead-agent',
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

  test('asks for no right beyond reading and writing objects', () => {
    const role = documents(renderInstallManifest(options)).find(
      ({ kind }) => kind === 'ClusterRole',
    );
    expect(role.rules).toEqual([
      {
        apiGroups: ['*'],
        resources: ['*'],
        verbs: ['get', 'list', 'watch', 'create', 'patch', 'update', 'delete'],
      },
    ]);
  });
});

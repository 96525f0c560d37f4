import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ControlPlane,
  type KubeObject,
  startControlPlane,
  type TemporaryDirectory,
  temporaryDirectory,
  waitFor,
} from './index.ts';

let directory: TemporaryDirectory;
let cluster: ControlPlane;

beforeAll(async () => {
  directory = await temporaryDirectory();
  cluster = await startControlPlane({
    name: 'test',
    directory: directory.path,
    enableAuditLog: true,
  });
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await directory?.[Symbol.asyncDispose]();
}, 30_000);

const podTemplate = (image: string) => ({ spec: { containers: [{ name: 'main', image }] } });

async function createDeployment(name: string, image: string, replicas: number): Promise<void> {
  const labels = { app: name };
  const template = { metadata: { labels }, ...podTemplate(image) };
  await cluster.request('POST', '/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template,
      progressDeadlineSeconds: 5,
    },
  });
}

const deployment = (name: string) =>
  cluster.request('GET', `/apis/apps/v1/namespaces/default/deployments/${name}`);

const podsOf = async (name: string): Promise<KubeObject[]> => {
  const selector = encodeURIComponent(`app=${name}`);
  const list = await cluster.request(
    'GET',
    `/api/v1/namespaces/default/pods?labelSelector=${selector}`,
  );
  return list.items;
};

function becomesAvailable(name: string, replicas: number): Promise<unknown> {
  return waitFor(
    `deployment ${name} to have ${replicas} available replicas`,
    async (see) => {
      const { status } = await deployment(name);
      see(status);
      return status.availableReplicas === replicas;
    },
    { timeoutMs: 30_000 },
  );
}

describe('a control plane', { timeout: 60_000 }, () => {
  test('makes a Deployment available without containers', async () => {
    await createDeployment('good', 'registry.invalid/shop/checkout:1.0.0', 2);
    await becomesAvailable('good', 2);
    const pods = await podsOf('good');
    expect(pods.map((pod) => pod.status.phase)).toEqual(['Running', 'Running']);
  });

  test('leaves a Pod whose image has the tag broken waiting, with the reason', async () => {
    await createDeployment('bad', 'registry.invalid/shop/checkout:broken', 1);
    await waitFor('the deployment to miss its progress deadline', async (see) => {
      const { status } = await deployment('bad');
      see(status);
      return status.conditions?.some(
        (condition: KubeObject) => condition.reason === 'ProgressDeadlineExceeded',
      );
    });
    const [pod] = await podsOf('bad');
    expect(pod.status.phase).toBe('Pending');
    expect(pod.status.containerStatuses[0]).toMatchObject({
      ready: false,
      state: {
        waiting: {
          reason: 'ImagePullBackOff',
          message: 'Back-off pulling image "registry.invalid/shop/checkout:broken"',
        },
      },
    });
    expect((await deployment('bad')).status.availableReplicas ?? 0).toBe(0);
  });

  test('recovers a Deployment whose broken image is replaced', async () => {
    await createDeployment('repaired', 'registry.invalid/shop/checkout:broken', 1);
    await cluster.request(
      'PATCH',
      '/apis/apps/v1/namespaces/default/deployments/repaired',
      { spec: { template: podTemplate('registry.invalid/shop/checkout:1.0.1') } },
      { contentType: 'application/strategic-merge-patch+json' },
    );
    await becomesAvailable('repaired', 1);
  });

  test('completes a Job, and fails one whose image has the tag failing', async () => {
    const outcomes = { passing: 'Complete', failing: 'Failed' };
    for (const tag of Object.keys(outcomes)) {
      const template = podTemplate(`registry.invalid/smoke:${tag}`);
      await cluster.request('POST', '/apis/batch/v1/namespaces/default/jobs', {
        metadata: { name: tag },
        spec: { backoffLimit: 0, template: { spec: { ...template.spec, restartPolicy: 'Never' } } },
      });
    }
    for (const [tag, outcome] of Object.entries(outcomes)) {
      await waitFor(`job ${tag} to be ${outcome}`, async (see) => {
        const job = await cluster.request('GET', `/apis/batch/v1/namespaces/default/jobs/${tag}`);
        see(job.status);
        return job.status.conditions?.some((c: KubeObject) => c.type === outcome);
      });
    }
  });

  test('gives a service account a kubeconfig that may do no more than its roles say', async () => {
    const kubeconfig = await cluster.serviceAccountKubeconfig('default', 'default');
    const asAccount = ['--kubeconfig', kubeconfig];
    expect(await cluster.kubectl([...asAccount, 'auth', 'whoami'])).toContain(
      'system:serviceaccount:default:default',
    );
    await expect(cluster.kubectl([...asAccount, 'get', 'secrets'])).rejects.toThrow('forbidden');
  });

  test('takes manifests by kubectl, and passes on why it refuses one', async () => {
    const manifest = (name: string) =>
      `{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}}, data: {a: b}}`;
    await cluster.kubectl(['apply', '-f', '-'], manifest('from-kubectl'));
    const stored = await cluster.request(
      'GET',
      '/api/v1/namespaces/default/configmaps/from-kubectl',
    );
    expect(stored.data).toEqual({ a: 'b' });
    const refused = cluster.kubectl(['apply', '-f', '-'], manifest('Not_A_Name'));
    await expect(refused).rejects.toThrow('a lowercase RFC 1123 subdomain');
  });

  test('writes each request to the audit log', async () => {
    await cluster
      .request('GET', '/api/v1/namespaces/default/configmaps/no-such', undefined, {
        token: cluster.adminToken,
      })
      .catch(() => undefined);
    await waitFor('the request in the audit log', async () =>
      (await cluster.readAuditLog()).some(
        (event) =>
          event.verb === 'get' &&
          event.user.username === 'admin' &&
          event.objectRef?.name === 'no-such' &&
          event.responseStatus?.code === 404,
      ),
    );
  });

  test('keeps its state and goes on working when its API server is killed', async () => {
    await createDeployment('before', 'registry.invalid/shop/cart:1.0.0', 1);
    await cluster.killApiServer();
    await expect(cluster.request('GET', '/readyz')).rejects.toThrow('ECONNREFUSED');
    await cluster.restartApiServer();
    expect((await deployment('before')).metadata.name).toBe('before');
    await createDeployment('after', 'registry.invalid/shop/cart:1.0.0', 1);
    await becomesAvailable('after', 1);
  });
});

import { Agent, request } from 'node:https';
import type { ControlPlane } from '../stack/index.ts';
import { unitName, unitObjects } from './units.ts';

const requestsInFlightMax = 16;

const resourcePaths: Record<string, string> = {
  ServiceAccount: '/api/v1/namespaces/%/serviceaccounts',
  Service: '/api/v1/namespaces/%/services',
  Deployment: '/apis/apps/v1/namespaces/%/deployments',
  Ingress: '/apis/networking.k8s.io/v1/namespaces/%/ingresses',
};

/**
 * The floor that no reconciler can go below: 16 concurrent server-side applies of the same objects, with no reading, no
 * planning, no health and no record. Returns the seconds it took for the objects of units `from` to below `to`.
 */
export async function bareLoop(
  controlPlane: ControlPlane,
  namespace: string,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<number> {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: requestsInFlightMax,
    ca: Buffer.from(controlPlane.caData, 'base64'),
  });
  const requests = Array.from({ length: to - from }, (_, offset) =>
    unitObjects(from + offset, namespace).map((object) => ({
      path: `${resourcePaths[String(object.kind)]?.replace('%', namespace)}/${unitName(from + offset)}`,
      body: JSON.stringify(object),
    })),
  ).flat();

  const apply = ({ path, body }: { path: string; body: string }) =>
    new Promise<void>((resolve, reject) => {
      const sent = request(
        `${controlPlane.url}${path}?fieldManager=bare-loop&force=true`,
        {
          method: 'PATCH',
          agent,
          headers: {
            authorization: `Bearer ${controlPlane.adminToken}`,
            'content-type': 'application/apply-patch+yaml',
          },
        },
        (response) => {
          response.resume();
          response.on('end', () =>
            (response.statusCode ?? 500) < 300
              ? resolve()
              : reject(new Error(`${path}: status ${response.statusCode}`)),
          );
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });

  const startedAt = performance.now();
  let next = 0;
  const worker = async () => {
    for (let job = requests[next++]; job !== undefined; job = requests[next++]) await apply(job);
  };
  await Promise.all(Array.from({ length: requestsInFlightMax }, worker));
  agent.destroy();
  return (performance.now() - startedAt) / 1_000;
}

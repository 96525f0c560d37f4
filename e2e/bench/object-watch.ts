import { request } from 'node:https';
import type { ControlPlane } from '../stack/index.ts';
import type { KubeObject } from '../stack/kube-request.ts';

type Change = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject };

/** A watch of one kind in one namespace, for a benchmark to see from outside when an object is as it was. */
export type ObjectWatch = {
  /** Resolves with the time at which an event came that the check accepts. */
  readonly until: (isRestored: (change: Change) => boolean) => Promise<number>;
  readonly close: () => void;
};

export async function watchObjects(
  { url, caData, adminToken, request: ask }: ControlPlane,
  path: string,
): Promise<ObjectWatch> {
  const { metadata } = await ask('GET', `${path}?limit=1`);
  const waiting = new Set<{ check: (change: Change) => boolean; resolve: (at: number) => void }>();
  const sent = request(
    `${url}${path}?watch=true&resourceVersion=${metadata.resourceVersion}&timeoutSeconds=3600`,
    {
      ca: Buffer.from(caData, 'base64'),
      headers: { authorization: `Bearer ${adminToken}` },
      agent: false,
    },
  );
  sent.on('response', (answer) => {
    let rest = '';
    answer.setEncoding('utf8');
    answer.on('data', (chunk: string) => {
      const at = performance.now();
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const change = JSON.parse(line) as Change;
        for (const each of waiting) {
          if (!each.check(change)) continue;
          waiting.delete(each);
          each.resolve(at);
        }
      }
    });
  });
  // The end of the benchmark ends the watch; a watch that breaks before is seen by what it does not tell.
  sent.on('error', () => undefined);
  sent.end();
  return {
    until: (check) => new Promise((resolve) => waiting.add({ check, resolve })),
    close: () => sent.destroy(),
  };
}

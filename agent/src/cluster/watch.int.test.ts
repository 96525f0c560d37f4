import { expect, test, vi } from 'vitest';
import { temporaryDirectory } from '../../../e2e/stack/index.ts';
import { connect } from './connection.ts';
import type { WatchEvent } from './port.ts';
import { startFakeApiServer } from './testing-api-server.ts';
import { followKind } from './watch.ts';

const resource = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
  hasStatus: false,
};
const line = (version: string) =>
  `${JSON.stringify({
    type: 'MODIFIED',
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'one', namespace: 'default', resourceVersion: version },
    },
  })}\n`;

test('F19: a watch that falls silent is half open and is taken up anew, and nothing is lost', async () => {
  await using directory = await temporaryDirectory();
  let watches = 0;
  await using server = await startFakeApiServer(directory.path, (request, response) => {
    const query = new URL(request.url ?? '', 'https://fake').searchParams;
    if (query.get('watch') !== 'true') {
      response.end(JSON.stringify({ metadata: { resourceVersion: '10' }, items: [] }));
      return;
    }
    // Each connection tells of one change and then says nothing, for ever and without an end.
    watches++;
    response.write(line(String(10 + watches)));
  });
  const connection = connect({ kubeconfigPath: server.kubeconfigPath });
  const stop = new AbortController();
  const events: WatchEvent[] = [];
  const watching = followKind(
    {
      connection,
      resourceOf: async () => resource,
      pathOf: (_, query) => `/api/v1/configmaps?${new URLSearchParams(query)}`,
      idleMsMax: 100,
    },
    { apiVersion: 'v1', kind: 'ConfigMap', signal: stop.signal },
    (event) => events.push(event),
  );
  const changes = () =>
    events.flatMap((event) =>
      event.type === 'changed' ? [event.object.metadata.resourceVersion] : [],
    );
  await vi.waitFor(() => expect(changes().slice(0, 2)).toEqual(['11', '12']), { timeout: 10_000 });
  expect(events.some(({ type }) => type === 'interrupted')).toBe(true);
  stop.abort();
  await watching;
  connection.close();
});

import { createMemoryCluster } from './index.ts';
import { describePort } from './port.case.ts';

let isWorkerAllowed = false;
const cluster = createMemoryCluster({
  mayDo: ({ kind, namespace, asUser }) =>
    isWorkerAllowed &&
    kind === 'ConfigMap' &&
    namespace === 'default' &&
    asUser === 'system:serviceaccount:default:worker',
});

describePort('in memory', () => ({
  cluster,
  interfere: async (object, manager) => {
    const { apiVersion, kind, metadata } = object;
    const { name, namespace = '' } = metadata;
    cluster.edit({ apiVersion, kind, namespace, name }, manager, (live) => {
      live.data = { ...(live.data as object), ...(object.data as object) };
    });
  },
  drop: async (address) => cluster.drop(address),
  allowWorker: async () => {
    isWorkerAllowed = true;
  },
}));

import { createMemoryCluster } from './index.ts';
import { describePort } from './port.case.ts';

const cluster = createMemoryCluster();

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
}));

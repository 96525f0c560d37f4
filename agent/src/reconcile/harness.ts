import type { KubernetesObject, ObjectKey } from '@fairlead/shared/manifest';
import { err, ok } from '@fairlead/shared/result';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import {
  type Cluster,
  createMemoryCluster,
  type MemoryCluster,
  type MemoryRequest,
} from '../cluster/index.ts';
import type { Assignment, AuditEntry, UnitId, UnitReport } from '../domain/link/index.ts';
import {
  createReconciler,
  type Inventory,
  type ReconcileJournal,
  type Reconciler,
  type StepFailure,
} from './index.ts';

/** A journal for tests: it outlives the reconcilers that use it, as a disk does. */
export function createMemoryJournal(): ReconcileJournal & { readonly writes: () => number } {
  const assignments = new Map<string, Assignment>();
  const inventories = new Map<UnitId, Inventory>();
  let writes = 0;
  return {
    durable: async () => {},
    acceptedEpoch: () => 1,
    saveAssignment: (assignment) => {
      writes++;
      assignments.set(`${assignment.pipeline}/${assignment.stage}`, assignment);
    },
    loadAssignments: () => [...assignments.values()],
    saveInventory: (unit, inventory) => {
      writes++;
      inventories.set(unit, structuredClone(inventory));
    },
    loadInventory: (unit) => structuredClone(inventories.get(unit)),
    removeInventory: (unit) => {
      inventories.delete(unit);
    },
    writes: () => writes,
  };
}

export type AssignmentChange = Partial<Omit<Assignment, 'apply'>> & {
  readonly apply?: Partial<Assignment['apply']>;
};

/** The commit names what is rendered, so that a test changes both by one word. */
export const assignmentOf = (
  unit: string,
  generation: number,
  commit: string,
  { apply, ...change }: AssignmentChange = {},
): Assignment => {
  const [pipeline, stage] = unit.split('/');
  return {
    pipeline,
    stage,
    project: 'default',
    epoch: 1,
    generation,
    disposition: 'run',
    repository: 'shop',
    commit,
    path: '',
    root: '',
    render: {
      helmReleaseName: '',
      helmValuesFiles: [],
      helmValues: {},
      substitution: undefined,
      sopsSecret: '',
    },
    apply: {
      namespace: 'default',
      createNamespace: false,
      prune: true,
      drift: 'repair',
      adopt: 'if-unowned',
      deletionBudget: { objectsMax: 10, percentMax: 30 },
      confirmedPruneGeneration: 0,
      confirmedPruneDigest: '',
      serviceAccount: '',
      conflicts: 'fail',
      dependsOn: [],
      ignoreDifferences: [],
      healthChecks: [],
      ...apply,
    },
    clusterName: 'one',
    clusterLabels: {},
    verification: { mode: 'none', keysName: '' },
    ...change,
  } as Assignment;
};

/** The status that working controllers would give an object. */
export function workingStatus(object: KubernetesObject): Record<string, unknown> | undefined {
  const observedGeneration = object.metadata.generation;
  const spec = object.spec as { replicas?: number } | undefined;
  const replicas = spec?.replicas ?? 1;
  switch (object.kind) {
    case 'Deployment':
      return {
        observedGeneration,
        replicas,
        updatedReplicas: replicas,
        readyReplicas: replicas,
        availableReplicas: replicas,
      };
    case 'CustomResourceDefinition':
      return { conditions: [{ type: 'Established', status: 'True' }] };
    default:
      return undefined;
  }
}

export type Renders = Map<string, readonly KubernetesObject[] | StepFailure>;

export type Agent = {
  readonly reconciler: Reconciler;
  readonly reports: UnitReport[];
  readonly audits: AuditEntry[];
  readonly report: (unit: string) => UnitReport | undefined;
  readonly kinds: () => string[];
  /** As a `kill -9` would: nothing more is written by this agent. */
  readonly kill: () => Promise<void>;
};

export type AgentOptions = {
  readonly cluster: Cluster;
  readonly journal: ReconcileJournal;
  readonly renders: Renders;
};

/** One life of an agent: a reconciler over parts that outlive it. */
export async function startAgent({ cluster, journal, renders }: AgentOptions): Promise<Agent> {
  const life = new AbortController();
  const reports: UnitReport[] = [];
  const audits: AuditEntry[] = [];
  const quiet = () => {};
  const reconciler = createReconciler({
    cluster: {
      ...cluster,
      apply: async (object, options) => {
        life.signal.throwIfAborted();
        return cluster.apply(object, options);
      },
      remove: async (address, options) => {
        life.signal.throwIfAborted();
        return cluster.remove(address, options);
      },
    },
    journal,
    clock: systemClock,
    random: systemRandom,
    loadTree: async () => ok('/nowhere'),
    render: async (assignment) => {
      const rendered = renders.get(assignment.commit);
      if (rendered === undefined) return err({ message: 'no such render', terminal: true });
      return 'message' in rendered ? err(rendered) : ok(structuredClone([...rendered]));
    },
    onReport: (report) => reports.push(report),
    onAudit: (entry) => audits.push(entry),
    agentNamespace: 'fairlead',
    signal: life.signal,
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  await reconciler.start();
  return {
    reconciler,
    reports,
    audits,
    report: (unit) => reports.findLast((report) => report.unit === unit),
    kinds: () => audits.map(({ kind }) => kind),
    kill: async () => {
      life.abort(new Error('killed'));
      await reconciler.drained();
    },
  };
}

export type World = {
  readonly cluster: MemoryCluster;
  readonly journal: ReturnType<typeof createMemoryJournal>;
  readonly renders: Renders;
  readonly requests: MemoryRequest[];
  /** What is thrown here is the answer to the request. */
  readonly obstacle: { onRequest: (request: MemoryRequest) => void };
};

export function createWorld(statusOf = workingStatus): World {
  const requests: MemoryRequest[] = [];
  const obstacle = { onRequest: (_: MemoryRequest) => {} };
  const cluster = createMemoryCluster({
    statusOf,
    onRequest: (request) => {
      requests.push(request);
      obstacle.onRequest(request);
    },
  });
  return { cluster, journal: createMemoryJournal(), renders: new Map(), requests, obstacle };
}

export const isWrite = ({ verb }: MemoryRequest): boolean => verb === 'apply' || verb === 'remove';

export const configMap = (name: string, value = 'a', namespace = 'default'): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data: { value },
});

export const deployment = (name: string, image = 'web:1'): KubernetesObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'default' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'web', image }] },
    },
  },
});

export const addressIn = (key: Omit<ObjectKey, 'group'>, apiVersion: string) => ({
  apiVersion,
  ...key,
});

export const configMapAddress = (name: string) =>
  addressIn({ kind: 'ConfigMap', namespace: 'default', name }, 'v1');

export const deploymentAddress = (name: string) =>
  addressIn({ kind: 'Deployment', namespace: 'default', name }, 'apps/v1');

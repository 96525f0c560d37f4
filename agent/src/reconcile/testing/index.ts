import type { KubernetesObject, ObjectKey } from '@fairlead/shared/manifest';
import { err, expectOk, ok } from '@fairlead/shared/result';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import {
  type Cluster,
  ClusterError,
  createMemoryCluster,
  type MemoryCluster,
  type MemoryRequest,
} from '../../cluster/index.ts';
import type { Assignment, AuditEntry, UnitId, UnitReport } from '../../domain/link/index.ts';
import { judgeAssignment, openPolicy } from '../../domain/policy/index.ts';
import {
  createReconciler,
  type Inventory,
  type ReconcileJournal,
  type Reconciler,
  type StepFailure,
  type Trust,
} from '../index.ts';

/** A journal for tests: it outlives the reconcilers that use it, as a disk does. */
export function createMemoryJournal(): ReconcileJournal & { readonly writes: () => number } {
  const assignments = new Map<string, Assignment>();
  const inventories = new Map<UnitId, string>();
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
      inventories.set(unit, JSON.stringify(inventory));
    },
    loadInventory: (unit) => {
      const text = inventories.get(unit);
      return text === undefined ? undefined : (JSON.parse(text) as Inventory);
    },
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
  /** Of the agent; another one is another hub's agent. */
  readonly agentNamespace?: string;
  /** Counts what the agent does, and may end its life there. */
  readonly life?: NumberedLife;
  /** What the cluster permits; everything when absent. */
  readonly trust?: Trust;
  readonly watchNamespaces?: readonly string[];
};

/** A cluster without a policy of its own. */
export const openTrust: Trust = {
  permit: async (assignment) => ok(expectOk(judgeAssignment(openPolicy, assignment), 'a permit')),
  verify: async () => ok({ signer: '', warning: '' }),
};

/** One life of an agent: a reconciler over parts that outlive it. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { renders, trust = openTrust } = options;
  const { cluster, journal, allow } = numbered(options);
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
    loadTree: async () =>
      ok({ id: '', files: [], read: async () => undefined, folder: async () => ok('/nowhere') }),
    render: async (assignment) => {
      const rendered = renders.get(assignment.commit);
      if (rendered === undefined) return err({ message: 'no such render', terminal: true });
      return 'message' in rendered ? err(rendered) : ok([...rendered]);
    },
    onReport: (report) => allow('report') && reports.push(report),
    onAudit: (entry) => {
      if (allow(`audit ${entry.kind}`)) audits.push(entry);
    },
    trust,
    watchNamespaces: options.watchNamespaces,
    agentNamespace: options.agentNamespace ?? 'fairlead',
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

/** The steps of an agent: every request before and after, every write of the journal, every audit event and report. */
export type NumberedLife = {
  /** The agent dies at this step, counted from 1: nothing that it does from then on has an effect. */
  readonly endsAt: number;
  readonly steps: string[];
  readonly isOver: () => boolean;
};

export function createLife(endsAt = Number.POSITIVE_INFINITY): NumberedLife {
  const steps: string[] = [];
  return { endsAt, steps, isOver: () => steps.length >= endsAt };
}

function numbered({ cluster, journal, life }: AgentOptions) {
  const allow = (step: string): boolean => {
    if (!life) return true;
    if (life.isOver()) return false;
    life.steps.push(step);
    return !life.isOver();
  };
  const must = (step: string) => {
    if (!allow(step)) throw new ClusterError('unavailable', `killed: ${step}`);
  };
  const request =
    <Arguments extends unknown[], Value>(
      name: string,
      send: (...given: Arguments) => Promise<Value>,
    ) =>
    async (...given: Arguments): Promise<Value> => {
      must(`before ${name}`);
      const answer = await send(...given);
      must(`after ${name}`);
      return answer;
    };
  const write =
    <Arguments extends unknown[]>(name: string, save: (...given: Arguments) => void) =>
    (...given: Arguments): void => {
      must(`before ${name}`);
      save(...given);
      must(`after ${name}`);
    };
  const counted: Cluster = {
    ...cluster,
    apply: request('apply', cluster.apply),
    setManagedFields: request('set managed fields', cluster.setManagedFields),
    get: request('get', cluster.get),
    remove: request('remove', cluster.remove),
    watch: (watch, onEvent) =>
      cluster.watch(watch, (event) => {
        if (!life?.isOver()) onEvent(event);
      }),
  };
  const durable: ReconcileJournal = {
    ...journal,
    durable: request('durable', journal.durable),
    saveAssignment: write('save assignment', journal.saveAssignment),
    saveInventory: write('save inventory', journal.saveInventory),
    removeInventory: write('remove inventory', journal.removeInventory),
  };
  return life ? { cluster: counted, journal: durable, allow } : { cluster, journal, allow };
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

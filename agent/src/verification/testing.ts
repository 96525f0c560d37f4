// A verifier over parts that outlive it, as an agent's disk and cluster do.
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err, expectOk, ok } from '@fairlead/shared/result';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import type { Cluster } from '../cluster/index.ts';
import type { AuditEntry } from '../domain/link/index.ts';
import { judgeAssignment, openPolicy } from '../domain/policy/index.ts';
import type { VerificationRun } from '../domain/verification/index.ts';
import { assignmentOf } from '../journal/testing/index.ts';
import type { StepFailure, Trust } from '../reconcile/index.ts';
import { createVerifier, type VerificationJournal } from './index.ts';

export const openTrust: Trust = {
  permit: async (assignment) => ok(expectOk(judgeAssignment(openPolicy, assignment), 'a permit')),
  verify: async () => ok({ signer: '', warning: '' }),
};

export type RunChange = Partial<Omit<VerificationRun, 'assignment'>> & {
  readonly namespace?: string;
  readonly serviceAccount?: string;
};

export const runOf = (
  runId: string,
  { namespace = 'default', serviceAccount = '', ...change }: RunChange = {},
): VerificationRun => {
  const { apply, ...assignment } = assignmentOf({ path: 'verify' });
  return {
    runId,
    name: 'smoke',
    file: 'smoke.yaml',
    timeoutMs: 60_000,
    assignment: { ...assignment, apply: { ...apply, namespace, serviceAccount } },
    ...change,
  };
};

export const jobManifest = (image = 'smoke:1', spec: object = {}): KubernetesObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'smoke' },
  spec: {
    backoffLimit: 0,
    ...spec,
    template: {
      spec: { restartPolicy: 'Never', containers: [{ name: 'smoke', image }] },
    },
  },
});

export type VerifierOptions = {
  readonly cluster: Cluster;
  readonly journal: VerificationJournal;
  /** What the file holds, or why it cannot be rendered; read at each try. */
  readonly objects?: () => readonly KubernetesObject[] | StepFailure;
  readonly trust?: Trust;
  readonly watchNamespaces?: readonly string[];
};

export function startVerifier(options: VerifierOptions) {
  const { objects = () => [jobManifest()] } = options;
  const life = new AbortController();
  const audits: AuditEntry[] = [];
  const quiet = () => {};
  const verifier = createVerifier({
    cluster: options.cluster,
    journal: options.journal,
    loadTree: async () =>
      ok({ id: '', files: [], read: async () => undefined, folder: async () => ok('/nowhere') }),
    renderFile: async () => {
      const rendered = objects();
      return 'message' in rendered ? err(rendered) : ok(structuredClone([...rendered]));
    },
    trust: options.trust ?? openTrust,
    clock: systemClock,
    random: systemRandom,
    bounds: { agentNamespace: 'fairlead-system', watchNamespaces: options.watchNamespaces },
    onAudit: (entry) => audits.push(entry),
    signal: life.signal,
    logger: { info: quiet, warn: quiet },
  });
  verifier.start();
  return {
    audits,
    offer: (...runs: VerificationRun[]) => verifier.offer({ epoch: 1, runs, unusable: [] }),
    verifier,
    /** As a `kill -9` would. */
    kill: async () => {
      life.abort(new Error('killed'));
      await verifier.drained();
    },
    [Symbol.asyncDispose]: async () => {
      life.abort(new Error('the test has ended'));
      await verifier.drained();
    },
  };
}

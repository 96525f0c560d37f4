import { startSystem, temporaryDirectory, waitFor } from '../stack/index.ts';
import { percentile } from './percentile.ts';

const resources = `
apiVersion: fairlead.dev/v1alpha1
kind: Repository
metadata: {name: environments}
spec: {url: "\${REPOSITORY_URL}", branch: main, webhook: {secretRef: shop-webhook}}
---
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  include: ["shop/**"]
  stages:
  - name: staging
    path: shop
    clusters: {matchLabels: {environment: staging}}
    apply: {namespace: shop, createNamespace: true}
`;

const manifest = (value: number) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data: {value: "${value}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {value: "${value}"}}
    spec:
      containers: [{name: main, image: "registry.example.com/web:1.0.0"}]
`;

/** Milliseconds from the start of `git push` until each step, for one commit. */
type Steps = {
  pushed: number;
  hubKnows: number;
  agentHasAssignment: number;
  applied: number;
  healthyReported: number;
};

/** Pushes commits one after the other and reads from the audit when each step was reached. */
export async function benchPropagation(options: { pushesTotal: number }) {
  await using directory = await temporaryDirectory();
  await using system = await startSystem({
    directory: directory.path,
    clusters: [{ name: 'staging-1', labels: { environment: 'staging' } }],
    onProgress: (line) => process.stdout.write(`${line}\n`),
  });
  await system.copy.write('shop/all.yaml', manifest(0));
  await system.push('first');
  await system.applyResources(resources);
  await waitFor('the first commit is healthy', async (see) => {
    const stage = await system.hub.api('GET', '/pipelines/shop/stages/staging');
    see(stage);
    return stage.succeededRelease !== undefined;
  });

  const all: Steps[] = [];
  for (let index = 1; index <= options.pushesTotal; index++) {
    all.push(await timePush(system, index));
  }

  const figures: Record<string, { p50: number; p99: number }> = {};
  process.stdout.write(`\n${options.pushesTotal} pushes, ms since the start of git push\n`);
  for (const step of Object.keys(all[0] ?? {}) as (keyof Steps)[]) {
    const values = all.map((steps) => steps[step]);
    figures[step] = { p50: percentile(values, 0.5), p99: percentile(values, 0.99) };
    process.stdout.write(
      `${step.padEnd(20)} p50 ${String(figures[step].p50).padStart(6)}   p99 ${String(figures[step].p99).padStart(6)}\n`,
    );
  }
  return { pushesTotal: options.pushesTotal, milliseconds: figures };
}

type Entry = { type: string; event: { release?: string; kind?: string; commit?: string } };

type System = Awaited<ReturnType<typeof startSystem>>;

async function timePush(system: System, value: number): Promise<Steps> {
  const { hub, copy } = system;
  await copy.write('shop/all.yaml', manifest(value));
  const commit = await copy.commit(`value ${value}`);
  const from = (await hub.api('GET', '/status')).position;
  const startedAt = Date.now();
  await copy.push();
  const pushed = Date.now() - startedAt;

  // biome-ignore lint/suspicious/noExplicitAny: one entry has one of some thirty shapes.
  const entries: any[] = await waitFor(
    `commit ${value} is healthy`,
    async (see) => {
      const { items } = await hub.api('GET', `/audit?after=${from}&limit=500`);
      see(items.map(({ type }: { type: string }) => type));
      // The report and the audit event of one apply travel apart, and either may be first.
      const isHealthy = items.some(
        ({ type, event }: Entry) => type === 'RolloutSucceeded' && event.release === commit,
      );
      const isApplied = items.some(
        ({ event }: Entry) => event.kind === 'ObjectsApplied' && event.commit === commit,
      );
      return isHealthy && isApplied ? items : undefined;
    },
    { timeoutMs: 60_000 },
  );
  const hubTime = (type: string) =>
    Date.parse(entries.find((entry) => entry.type === type)?.at) - startedAt;
  // Hub and agent are on one machine here, so the agent's clock may be compared.
  const agentTime = (kind: string) =>
    entries.find(({ event }) => event.kind === kind && event.commit === commit)?.event.occurredAt -
    startedAt;
  return {
    pushed,
    hubKnows: hubTime('ReleasesDiscovered'),
    agentHasAssignment: agentTime('AssignmentAccepted'),
    applied: agentTime('ObjectsApplied'),
    healthyReported: hubTime('RolloutSucceeded'),
  };
}

import { join } from 'node:path';
import { type ControlPlane, startSystem, temporaryDirectory } from '../stack/index.ts';
import type { KubeObject } from '../stack/kube-request.ts';
import {
  assignUnits,
  makeAgentBundle,
  mebibytes,
  namespace,
  residentBytes,
  round,
  waitForTotal,
} from './load-units.ts';
import { type ObjectWatch, watchObjects } from './object-watch.ts';
import { percentile } from './percentile.ts';
import { unitName } from './units.ts';

export type DriftBenchOptions = {
  readonly unitsTotal: number;
  /** Changes of each sort. */
  readonly samplesTotal: number;
  readonly program?: string;
};

const partOfLabel = 'applyset.kubernetes.io/part-of';
const idleSeconds = 20;
const repairMsMax = 60_000;
/** An eleventh within a minute would be a fight, which is slowed down on purpose. */
const editsInRow = 10;

/** What is changed by hand: one field each, whose restored value tells that the repair has come. */
const kinds = [
  {
    path: `/api/v1/namespaces/${namespace}/services`,
    edit: { spec: { ports: [{ name: 'http', port: 80, targetPort: 9090 }] } },
    isAsCommitted: (object: KubeObject) => object.spec.ports[0].targetPort === 8080,
  },
  {
    path: `/apis/apps/v1/namespaces/${namespace}/deployments`,
    edit: { spec: { paused: true, replicas: 1 } },
    isAsCommitted: (object: KubeObject) => object.spec.replicas === 0,
  },
  {
    path: `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`,
    edit: { spec: { rules: [{ host: 'edited.example.com' }] } },
    isAsCommitted: (object: KubeObject) => object.spec.rules[0].host !== 'edited.example.com',
  },
] as const;

type Kind = (typeof kinds)[number];

/**
 * Milliseconds from the moment at which a change by hand is sent to the API server until a watch of this benchmark's own
 * tells that the object is as the commit wants it, with all units loaded. One change at a time, each of another unit, but
 * for the edits in a row of one object.
 */
export async function benchDrift({ unitsTotal, samplesTotal, program }: DriftBenchOptions) {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  await using directory = await temporaryDirectory();
  const agentProgram = program ?? (await makeAgentBundle(join(directory.path, 'bundle')));
  await using system = await startSystem({
    directory: directory.path,
    clusters: [{ name: 'production-1', labels: { environment: 'production' } }],
    agentProgram,
    onProgress: say,
  });
  const { controlPlane, agent } = system.cluster('production-1');
  await controlPlane.kubectl(['create', 'namespace', namespace]);
  await assignUnits(system, unitsTotal);
  await waitForTotal(system, 'succeeded', unitsTotal);
  say(`${unitsTotal} units are loaded`);
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1_000));
  const loadedBytes = await residentBytes(agent.process.pid, 'VmRSS');
  say(`agent with ${unitsTotal * 4} owned objects: ${mebibytes(loadedBytes)} MiB`);

  const watches = new Map<Kind, ObjectWatch>();
  for (const kind of kinds) watches.set(kind, await watchObjects(controlPlane, kind.path));
  const floors: number[] = [];
  const repaired = createMeasure(controlPlane.request, watches, (ms) => floors.push(ms));

  let next = 0;
  const targets = (count: number) =>
    Array.from({ length: count }, () => {
      const index = next++;
      // Another kind each time around, so that no object is changed twice.
      const kind = kinds[(index + Math.floor(index / unitsTotal)) % kinds.length] as Kind;
      return { kind, name: unitName(index % unitsTotal) };
    });
  const measure = async (what: string, times: () => Promise<number[]>) => {
    const found = await times();
    const figures = {
      samples: found.length,
      p50Ms: round(percentile(found, 0.5)),
      p99Ms: round(percentile(found, 0.99)),
      maxMs: round(Math.max(...found)),
    };
    say(`${what}: p50 ${figures.p50Ms} ms, p99 ${figures.p99Ms} ms, max ${figures.maxMs} ms`);
    return figures;
  };
  const each = (how: 'deleted' | 'edited' | 'stripped') => async () => {
    const times: number[] = [];
    for (const target of targets(samplesTotal)) times.push(await repaired(how, target));
    return times;
  };

  // The first change finds cold code; users meet it once.
  for (const target of targets(kinds.length)) await repaired('edited', target);
  const deleted = await measure('deleted objects', each('deleted'));
  const edited = await measure('edited objects', each('edited'));
  const stripped = await measure('stripped labels', each('stripped'));
  const repeated = await measure(`${editsInRow} edits in a row of one object`, async () => {
    const times: number[] = [];
    for (const target of targets(Math.ceil(samplesTotal / editsInRow))) {
      for (let edit = 1; edit <= editsInRow; edit++) times.push(await repaired('edited', target));
    }
    return times;
  });
  for (const watch of watches.values()) watch.close();
  const floor = { p50Ms: round(percentile(floors, 0.5)), p99Ms: round(percentile(floors, 0.99)) };
  say(
    `of it, until the change itself is told by the watch: p50 ${floor.p50Ms} ms, p99 ${floor.p99Ms} ms`,
  );
  return {
    unitsTotal,
    ownedObjectsTotal: unitsTotal * 4,
    deleted,
    edited,
    stripped,
    repeated,
    floor,
    agentLoadedMebibytes: mebibytes(loadedBytes),
    agentAfterMebibytes: mebibytes(await residentBytes(agent.process.pid, 'VmRSS')),
  };
}

type Ask = ControlPlane['request'];
type Target = { readonly kind: Kind; readonly name: string };

/** `onFloor` gets the time until the watch tells of the change itself: what no repair can come before. */
function createMeasure(
  ask: Ask,
  watches: ReadonlyMap<Kind, ObjectWatch>,
  onFloor: (ms: number) => void,
) {
  const mergePatch = { contentType: 'application/merge-patch+json' };
  return async (how: 'deleted' | 'edited' | 'stripped', { kind, name }: Target) => {
    const watch = watches.get(kind) as ObjectWatch;
    const path = `${kind.path}/${name}`;
    const before = await ask('GET', path);
    let isHurt = false;
    let startedAt = performance.now();
    const restored = watch.until(({ type, object }) => {
      if (object.metadata.name !== name || type === 'DELETED') return false;
      const isWhole =
        object.metadata.labels?.[partOfLabel] !== undefined && kind.isAsCommitted(object);
      if (how === 'deleted') return isWhole && object.metadata.uid !== before.metadata.uid;
      // The event of the change itself comes first.
      if (!isWhole && !isHurt) onFloor(performance.now() - startedAt);
      if (!isWhole) isHurt = true;
      return isWhole && isHurt;
    });
    startedAt = performance.now();
    if (how === 'deleted') await ask('DELETE', path);
    else {
      const strip = { metadata: { labels: { [partOfLabel]: null } } };
      await ask('PATCH', path, how === 'edited' ? kind.edit : strip, mergePatch);
    }
    return within(restored, `${how} ${path} was not repaired`).then((at) => at - startedAt);
  };
}

function within(restored: Promise<number>, fault: string): Promise<number> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${fault} in ${repairMsMax} ms`)), repairMsMax);
  return Promise.race([restored, promise]).finally(() => clearTimeout(timer));
}

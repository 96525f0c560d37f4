import type { StageName } from '@fairlead/shared/ids';
import type { StageDefinition } from './definition.ts';
import { fault, type Node } from './reader.ts';

type Placed = { readonly node: Node; readonly stage: StageDefinition };

const after = (node: Node, index?: number): Node => ({
  ...node,
  path: `${node.path}.after${index === undefined ? '' : `[${index}]`}`,
});

/** CFG-01: the stages form a graph without cycles, each named once, each `after` naming another stage. */
export function checkGraph(stages: readonly Placed[]): void {
  const byName = new Map<StageName, Placed>();
  for (const placed of stages) {
    const { stage, node } = placed;
    if (stage.name !== '' && byName.has(stage.name)) {
      fault({ ...node, path: `${node.path}.name` }, `repeats the stage ${stage.name}`);
    } else byName.set(stage.name, placed);
  }
  for (const { stage, node } of stages) {
    stage.after.forEach((name, index) => {
      if (name === stage.name) fault(after(node, index), 'names the stage itself');
      else if (!byName.has(name)) fault(after(node, index), `there is no stage ${name}`);
      else if (stage.after.indexOf(name) !== index) fault(after(node, index), `repeats ${name}`);
    });
  }
  for (const cycle of findCycles(byName)) {
    const first = byName.get(cycle[0] as StageName);
    if (first) fault(after(first.node), `is a cycle: ${[...cycle, cycle[0]].join(' → after ')}`);
  }
}

/** Each cycle once, from the stage that the document names first; a stage after itself is told elsewhere. */
function findCycles(byName: ReadonlyMap<StageName, Placed>): StageName[][] {
  const done = new Set<StageName>();
  const cycles: StageName[][] = [];
  const visit = (name: StageName, path: StageName[]): void => {
    const start = path.indexOf(name);
    if (start !== -1) {
      if (path.length - start > 1) cycles.push(path.slice(start));
      return;
    }
    if (done.has(name)) return;
    for (const next of byName.get(name)?.stage.after ?? []) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of byName.keys()) visit(name, []);
  return cycles;
}

// `npm run bench -- <name> [options]`: measures on real parts and ends with one line of JSON with the figures.
import { parseArgs } from 'node:util';
import { benchApply } from './apply.ts';
import { benchDecide } from './decide.ts';
import { benchDrift } from './drift.ts';
import { benchPropagation } from './propagation.ts';
import { benchRender } from './render.ts';

const usage = `usage: npm run bench -- <name> [options]

  propagation [--pushes 50]   times from git push to healthy, p50 and p99
  apply [--units 1000]        units of four objects applied and healthy, beside a bare loop of applies
        [--agent FILE]        measures this program of the agent instead of a fresh bundle, for profiles
  drift [--units 1250]        from a change by hand to its repair: deleted and edited objects, stripped labels,
        [--samples 200]       and edits in a row of one object; and the agent's memory
        [--agent FILE]
  decide [--events 1000000]   the hub's own work: a look at a large pipeline, a fold of a long log, the read model made
         [--targets 5000]     anew and compared with the live one; ends with status 1 when a limit is broken
  render [--units 1000]       kustomizations and charts rendered cold and again, beside one process after another
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    units: { type: 'string' },
    agent: { type: 'string' },
    pushes: { type: 'string' },
    samples: { type: 'string' },
    events: { type: 'string' },
    targets: { type: 'string' },
  },
});

const benchmarks: Record<string, () => Promise<Record<string, unknown>>> = {
  propagation: () => benchPropagation({ pushesTotal: Number(values.pushes ?? 50) }),
  decide: () =>
    benchDecide({
      eventsTotal: Number(values.events ?? 1_000_000),
      targetsTotal: Number(values.targets ?? 5_000),
    }),
  render: () => benchRender({ unitsTotal: Number(values.units ?? 1_000) }),
  apply: () => benchApply({ unitsTotal: Number(values.units ?? 1_000), program: values.agent }),
  drift: () =>
    benchDrift({
      unitsTotal: Number(values.units ?? 1_250),
      samplesTotal: Number(values.samples ?? 200),
      program: values.agent,
    }),
};

const benchmark = benchmarks[positionals[0] ?? ''];
if (benchmark) {
  const figures = await benchmark();
  process.stdout.write(`${JSON.stringify({ benchmark: positionals[0], ...figures })}\n`);
} else {
  process.stderr.write(usage);
  process.exitCode = 2;
}

// `node agent/build/bundle.ts [target]` writes agent/dist. Without a target it is this machine's.
import { join } from 'node:path';
import { type BundleTarget, bundleAgent, bundleTargets, hostTarget } from './bundle-agent.ts';

const [target = hostTarget()] = process.argv.slice(2);
if (!bundleTargets.includes(target as BundleTarget)) {
  process.stderr.write(
    `There is no target ${target}; the targets are ${bundleTargets.join(', ')}.\n`,
  );
  process.exitCode = 2;
} else {
  const agent = join(import.meta.dirname, '..');
  const files = await bundleAgent({
    entry: join(agent, 'src/main.ts'),
    directory: join(agent, 'dist'),
    target: target as BundleTarget,
  });
  process.stdout.write(`${files.map((file) => `agent/dist/${file}`).join('\n')}\n`);
}

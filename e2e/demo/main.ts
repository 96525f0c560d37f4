// `npm run demo`: the main job on real parts, told as it happens. `--once` ends after the story, with status 0 when every
// step did what it says; otherwise everything stays up until Ctrl-C.
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findTools } from '../../deploy/tools/index.ts';
import { startSystem, temporaryDirectory } from '../stack/index.ts';
import { tellStory } from './story.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const write = (line: string) => process.stdout.write(`${line}\n`);

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });

  write('Fairlead demo: one hub, two clusters, one environment repository, on real parts.\n');
  write('── Parts (found, or built once and cached)');
  await findTools(
    [
      'etcd',
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubectl',
      'kwok',
      'nats-server',
      'kustomize',
      'helm',
    ],
    { onProgress: (line: string) => write(`   ${line}`), signal },
  );

  await using directory = await temporaryDirectory('fairlead-demo-');
  write(`\n── Starting (files and logs below ${directory.path})`);
  await using system = await startSystem({
    directory: directory.path,
    clusters: [
      { name: 'staging-1', labels: { environment: 'staging' } },
      { name: 'production-1', labels: { environment: 'production' } },
    ],
    signal,
    onProgress: (line) => write(`   ${line}`),
  });
  await cp(join(here, 'environment'), system.copy.directory, { recursive: true });
  await tellStory(system, await readFile(join(here, 'pipelines.yaml'), 'utf8'), write);

  if (values.once) return;
  write(
    [
      '\nEverything stays up until Ctrl-C. In another terminal:',
      `   export FAIRLEAD_URL=${system.hub.url} FAIRLEAD_TOKEN=${system.hub.token}`,
      '   npx fairlead status',
      '   npx fairlead explain shop/production',
      '   npx fairlead audit list',
      `   git clone ${system.repositoryUrl}   # change something, push, and watch: npx fairlead events --follow`,
      `   kubectl --kubeconfig ${system.cluster('production-1').controlPlane.adminKubeconfigPath} get units -A`,
    ].join('\n'),
  );
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
}

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    write('\nStopping …');
    interrupted.abort();
  });
}
try {
  await main(interrupted.signal);
} catch (error) {
  if (!interrupted.signal.aborted) {
    process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.stack : error}\n`);
  }
  process.exitCode = 1;
}

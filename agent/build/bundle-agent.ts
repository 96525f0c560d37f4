import { readdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';

/** The platforms for which better-sqlite3 ships a binding and an image is built. */
export const bundleTargets = [
  'linux-x64',
  'linux-arm64',
  'linuxmusl-x64',
  'linuxmusl-arm64',
] as const;
export type BundleTarget = (typeof bundleTargets)[number];

export type BundleOptions = {
  readonly entry: string;
  readonly directory: string;
  readonly target: BundleTarget;
};

export const bundleFile = 'agent.mjs';

/**
 * Writes `agent.mjs`, what it loads only when it needs it, the binding and the licences of what is inside; returns the
 * names of the files.
 */
export async function bundleAgent(options: BundleOptions): Promise<string[]> {
  await rm(options.directory, { recursive: true, force: true });
  await build({
    entryPoints: [{ in: options.entry, out: bundleFile.replace(/\.mjs$/, '') }],
    outdir: options.directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // What is imported on demand stays out of the main file: the Kubernetes library alone takes 20 MiB once it is read.
    splitting: true,
    chunkNames: 'part-[hash]',
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    legalComments: 'linked',
    logLevel: 'warning',
    // The package's entry for one platform names its binding literally, so that it can be copied along.
    alias: { 'better-sqlite3': `better-sqlite3/${options.target}` },
    loader: { '.node': 'copy' },
    // CommonJS packages inside still ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  return (await readdir(options.directory)).sort();
}

export function hostTarget(): BundleTarget {
  const libc = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const system = libc.header?.glibcVersionRuntime === undefined ? 'linuxmusl' : 'linux';
  return `${system}-${process.arch === 'arm64' ? 'arm64' : 'x64'}`;
}

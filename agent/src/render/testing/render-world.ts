import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { findTools } from '../../../../deploy/tools/index.ts';
import type { Assignment } from '../../domain/link/index.ts';
import { assignmentOf } from '../../journal/testing/index.ts';
import { createRenderer, type RendererDependencies, type RenderFailure } from '../index.ts';
import { treeOfFolder } from './tree-of-folder.ts';

export type WorldOptions = Partial<Omit<RendererDependencies, 'cacheDirectory' | 'programs'>> & {
  /** Only this manifest of the path. */
  readonly file?: string;
  readonly programs?: Partial<RendererDependencies['programs']>;
};

export type AssignmentChanges = Partial<Omit<Assignment, 'render' | 'apply'>> & {
  readonly render?: Partial<Assignment['render']>;
  readonly apply?: Partial<Assignment['apply']>;
};

export type RenderWorld = {
  /** Holds the trees and the data of the agent; nothing else. */
  readonly folder: string;
  readonly dataDirectory: string;
  /** Where the files are now. */
  readonly tree: () => string;
  readonly notices: string[];
  readonly write: (files: Readonly<Record<string, string | Buffer>>) => void;
  readonly render: (
    changes?: AssignmentChanges,
    options?: WorldOptions,
  ) => Promise<{ objects?: KubernetesObject[]; names?: string[]; failure?: RenderFailure }>;
  /** The content of every file of the agent's own. */
  readonly dataFiles: () => string[];
  readonly remove: () => void;
};

/** One tree and one data directory; each `render` is a renderer of its own, as after a restart. */
export async function createRenderWorld(defaults: WorldOptions = {}): Promise<RenderWorld> {
  const found = await findTools(['render-host', 'sops']);
  const folder = mkdtempSync(join(tmpdir(), 'render-'));
  let versionsTotal = 0;
  let tree = join(folder, treeIdOf(versionsTotal));
  const dataDirectory = join(folder, 'data');
  mkdirSync(tree);
  const notices: string[] = [];
  const rendererOf = (options: WorldOptions) =>
    createRenderer({
      readSecret: async () => undefined,
      agentNamespace: 'fairlead-system',
      capabilities: async () => ({ kubeVersion: 'v1.37.2', apiVersions: ['v1', 'apps/v1'] }),
      onNotice: (_, message) => notices.push(message),
      cacheDirectory: join(dataDirectory, 'render'),
      ...defaults,
      ...options,
      programs: {
        renderHost: found['render-host'],
        sops: found.sops,
        ...defaults.programs,
        ...options.programs,
      },
    });
  return {
    folder,
    dataDirectory,
    tree: () => tree,
    notices,
    write: (files) => {
      // Another content is another tree, and so another name.
      const before = tree;
      tree = join(folder, treeIdOf(++versionsTotal));
      renameSync(before, tree);
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(tree, path)), { recursive: true });
        writeFileSync(join(tree, path), content);
      }
    },
    render: async ({ render, apply, ...changes } = {}, options = {}) => {
      const base = assignmentOf(changes);
      const assignment = {
        ...base,
        render: { ...base.render, ...render },
        apply: { ...base.apply, ...apply },
      };
      const renderer = rendererOf(options);
      const { signal } = new AbortController();
      const { file } = options;
      const content = treeOfFolder(tree);
      const rendered = await (file === undefined
        ? renderer.render(assignment, content, signal)
        : renderer.renderFile(file, assignment, content, signal));
      if (!rendered.ok) return { failure: rendered.error };
      const names = rendered.value.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      return { objects: rendered.value, names };
    },
    dataFiles: () =>
      readdirSync(dataDirectory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const treeIdOf = (version: number): string => version.toString(16).padStart(40, '0');

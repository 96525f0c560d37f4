import { realpathSync } from 'node:fs';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import type { Result } from '@fairlead/shared/result';
import type { Assignment } from '../domain/link/index.ts';
import type { RenderFailure } from './failure.ts';
import type { ObjectLimits } from './objects.ts';
import type { PlainLimits } from './plain.ts';
import type { DecryptFile } from './sops/index.ts';
import type { Tools } from './tools.ts';

/** An object as it was rendered; `isDecrypted` when it holds what SOPS decrypted. */
export type Rendered = { readonly object: KubernetesObject; readonly isDecrypted: boolean };

/** The content of an assignment's root. */
export type RenderTree = {
  /** The id of its Git tree; empty when it has none, and then nothing of it is cached. */
  readonly id: string;
  readonly files: readonly RenderFile[];
  readonly read: (file: RenderFile) => Promise<Buffer | undefined>;
  /** All of it in a folder of this machine. */
  readonly folder: () => Promise<Result<string, { message: string; terminal: boolean }>>;
};

type RenderFile = {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly mode: 'file' | 'executable' | 'symlink';
  readonly id: string;
};

/** What one rendering works on. */
export type Work = {
  readonly assignment: Assignment;
  readonly tools: Tools;
  readonly limits: ObjectLimits & PlainLimits;
  /** The tree on this machine, without links on its way; empty where it was not written out. */
  readonly tree: string;
  /** Below the tree. */
  readonly path: string;
  /** Undefined when the stage asks for no decryption. */
  readonly decryptFile: DecryptFile | undefined;
  readonly signal: AbortSignal;
  readonly onNotice: (message: string) => void;
};

export type RenderSource = (work: Work) => Promise<Result<Rendered[], RenderFailure>>;

export const defaultNamespace = ({ apply }: Assignment): string => apply.namespace || 'default';

/** The path without links on its way; `undefined` when nothing is there. */
export function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

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

/** What one rendering works on. */
export type Work = {
  readonly assignment: Assignment;
  readonly tools: Tools;
  readonly limits: ObjectLimits & PlainLimits;
  /** The tree on this machine, without links on its way. */
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

import type { ObjectKey } from '@fairlead/shared/manifest';
import { ClusterError } from '../cluster/index.ts';
import type { AuditKind } from '../domain/link/index.ts';

/** Why a unit could not go on. Its text is public. */
export class UnitError extends Error {
  override name = 'UnitError';
  /** The same commit cannot outgrow it. */
  readonly terminal: boolean;
  readonly audit: AuditKind;
  readonly object: ObjectKey | undefined;
  constructor(
    message: string,
    options: { terminal: boolean; audit?: AuditKind; object?: ObjectKey; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.terminal = options.terminal;
    this.audit = options.audit ?? 'ApplyFailed';
    this.object = options.object;
  }
}

/** What the API server refuses for its content stays refused; rights, quota and reachability may change. */
export function asUnitError(error: unknown, what = ''): UnitError {
  if (error instanceof UnitError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new UnitError(what === '' ? text : `${what}: ${text}`, {
    terminal: error instanceof ClusterError && error.code === 'invalid',
    cause: error,
  });
}

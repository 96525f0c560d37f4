import type { Clock, Random } from '@fairlead/shared/time';
import { type Cluster, ClusterError } from '../cluster/index.ts';
import type { AuditKind } from '../domain/link/index.ts';
import type { VerificationEnd, VerificationRun } from '../domain/verification/index.ts';
import type { Bounds, LoadTree, Trust } from '../reconcile/index.ts';
import type { RenderFile, RunRecord, VerificationJournal } from './ports.ts';

/** The log that runs write to; pino's shape. */
export type VerificationLogger = {
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
};

/** What the steps of a run share. */
export type Context = {
  readonly cluster: Pick<Cluster, 'apply' | 'get' | 'list' | 'remove' | 'watch' | 'podLog'>;
  readonly bounds: Bounds;
  readonly journal: VerificationJournal;
  readonly loadTree: LoadTree;
  readonly renderFile: RenderFile;
  readonly trust: Trust;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: VerificationLogger;
  /** Writes the record to the journal, and into memory. */
  readonly save: (record: RunRecord) => void;
  readonly audit: (run: VerificationRun, kind: AuditKind, message: string) => void;
};

/** A run has come to its end; whatever else is thrown may be better at the next try. */
export class RunEnded extends Error {
  override name = 'RunEnded';
  readonly end: VerificationEnd;
  /** Said in the audit under its own kind. */
  readonly audit: AuditKind | undefined;
  constructor(end: VerificationEnd, audit?: AuditKind) {
    super(end.message);
    this.end = end;
    this.audit = audit;
  }
}

export const failed = (message: string, audit?: AuditKind): RunEnded =>
  new RunEnded({ outcome: 'failed', message }, audit);

/** What the API server refuses it would refuse again; what it cannot say now it may say later. */
export function asEnd(error: unknown): unknown {
  if (!(error instanceof ClusterError)) return error;
  const isPassing = error.code === 'unavailable' || error.code === 'precondition_failed';
  return isPassing ? error : failed(error.message);
}

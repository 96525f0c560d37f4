import type { FieldValues } from './field-values.ts';

/** What an agent says an assignment would change. */
export type PlanAnswer = {
  /** Why there is no plan; empty when there is one. */
  readonly error: string;
  readonly objects: readonly {
    readonly object: { group: string; kind: string; namespace: string; name: string };
    readonly action: 'create' | 'configure' | 'prune' | 'keep' | 'refuse';
    readonly differences: readonly FieldValues[];
    readonly differencesTotal: number;
    readonly message: string;
  }[];
  readonly totals: Readonly<
    Record<'create' | 'configure' | 'unchanged' | 'prune' | 'keep' | 'refuse', number>
  >;
  readonly objectsTruncated: number;
  readonly pruneHeld: string;
};

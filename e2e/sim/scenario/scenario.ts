import type { StageDefinition } from '../../../hub/src/domain/pipeline/index.ts';
import type { NetworkFaults } from '../world/network.ts';
import type { Behaviour } from '../world/repository.ts';

/** Everything that a run does, as data: the same scenario gives the same run, and a shorter one is still a scenario. */
export type Scenario = {
  readonly seed: string;
  readonly stages: readonly StageShape[];
  readonly clusters: readonly ClusterShape[];
  readonly network: NetworkFaults;
  readonly actions: readonly Action[];
  /** When the faults end. */
  readonly calmAtMs: number;
};

export type StageShape = {
  readonly name: string;
  readonly after: readonly string[];
  readonly promote: 'automatic' | 'manual';
  readonly soakMs: number;
  readonly progressDeadlineMs: number;
  /** Objects that a prune may delete without being held. */
  readonly deletionObjectsMax: number;
  readonly pathVersion: number;
  /** Policies that not every stage has; what is absent has the value of a document that says nothing. */
  readonly gates?: Partial<StageDefinition['gates']>;
  readonly rollout?: Partial<StageDefinition['rollout']>;
  readonly afterMode?: StageDefinition['afterMode'];
  /** It has no clusters: a release passes it by its gates alone. */
  readonly isControl?: boolean;
  readonly supersede?: StageDefinition['supersede'];
  readonly hotfix?: StageDefinition['hotfix'];
};

/** Ada writes every commit. */
export type PersonName = 'ada' | 'bob' | 'cyn';

export type ClusterShape = { readonly name: string; readonly stage: string };

/** `which` is a fraction that picks among what there is at the time, so that an action survives shrinking. */
export type Action = { readonly atMs: number } & (
  | { readonly type: 'push'; readonly behaviour: Behaviour; readonly extras: readonly number[] }
  | { readonly type: 'revert' }
  | { readonly type: 'force-push'; readonly drops: number }
  | { readonly type: 'restore-branch' }
  | { readonly type: 'define'; readonly stages: readonly StageShape[] }
  | { readonly type: 'add-cluster'; readonly cluster: ClusterShape }
  | { readonly type: 'move-cluster'; readonly cluster: string; readonly stage: string }
  | { readonly type: 'remove-cluster'; readonly cluster: string }
  | { readonly type: 'revoke-cluster'; readonly cluster: string }
  | {
      readonly type: 'promote';
      readonly stage: string;
      readonly which: number | undefined;
      readonly force: boolean;
      /** Names every gate that the stage lets a hotfix pass without. */
      readonly hotfix?: boolean;
      /** In spite of freezes. */
      readonly overrides?: boolean;
    }
  | {
      readonly type: 'approve' | 'reject' | 'withdraw-approval';
      readonly stage: string;
      readonly which: number;
      readonly by: PersonName;
    }
  | {
      readonly type: 'report-status';
      readonly which: number;
      readonly state: 'success' | 'failure';
    }
  | { readonly type: 'pause' | 'continue'; readonly stage: string }
  | {
      readonly type: 'freeze';
      /** Absent: the whole hub. */
      readonly stage: string | undefined;
      readonly stops: boolean;
      /** Absent: until somebody lifts it. */
      readonly durationMs: number | undefined;
      /** At the next time that the hub is about to record an assignment. */
      readonly asItAssigns: boolean;
    }
  | { readonly type: 'unfreeze' }
  | {
      readonly type: 'rollback';
      readonly stage: string;
      readonly which: number | undefined;
      readonly overrides?: boolean;
    }
  | { readonly type: 'hold' | 'resume' | 'abort'; readonly stage: string }
  | { readonly type: 'confirm' }
  | { readonly type: 'crash-hub'; readonly boundaries: number; readonly downMs: number }
  | {
      readonly type: 'crash-agent';
      readonly cluster: string;
      readonly boundaries: number;
      readonly downMs: number;
      readonly losesPower: boolean;
    }
  | { readonly type: 'cut'; readonly cluster: string; readonly durationMs: number }
  | { readonly type: 'hub-clock'; readonly byMs: number }
  | { readonly type: 'agent-clock'; readonly cluster: string; readonly byMs: number }
  | { readonly type: 'lose-api'; readonly cluster: string; readonly durationMs: number }
  | { readonly type: 'degrade'; readonly cluster: string; readonly durationMs: number }
  | {
      readonly type: 'meddle';
      readonly cluster: string;
      readonly object: number;
      readonly deletes: boolean;
    }
);

/** In words, for the trace. */
export function actionText({ atMs: _, type, ...rest }: Action): string {
  const details = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : value}`);
  return [type, ...details].join(' ');
}

import type { FreezeId, PipelineName, ProjectName, StageName } from '@fairlead/shared/ids';
import type { Instant } from '@fairlead/shared/time';

/** While it is in force nothing in its scope is assigned. */
export type Freeze = {
  readonly id: FreezeId;
  readonly scope: FreezeScope;
  readonly reason: string;
  /** Subject of the person who declared it. */
  readonly by: string;
  readonly from: Instant;
  /** Absent: until it is lifted. */
  readonly until?: Instant;
  /** What a running rollout does: `drain` lets assigned targets settle and starts nothing more, `stop` ends it. */
  readonly running: 'drain' | 'stop';
};

export type FreezeScope =
  | { readonly kind: 'hub' }
  | { readonly kind: 'project'; readonly project: ProjectName }
  | { readonly kind: 'pipeline'; readonly pipeline: PipelineName }
  | { readonly kind: 'stage'; readonly pipeline: PipelineName; readonly stage: StageName };

/** Stream `freezes`: one for the whole hub, so that one conditional append tells whether any has changed. */
export type FreezeEvent =
  | { type: 'FreezeDeclared'; freeze: Freeze; at: Instant }
  | { type: 'FreezeLifted'; id: FreezeId; reason: string; by: string; at: Instant };

import type { Result } from '@fairlead/shared/result';
import type { Instant } from '@fairlead/shared/time';
import type { DomainEvent } from '../domain/events.ts';

/** Who caused a decision. `hub` names one of the hub's own loops. */
export type Actor = { readonly kind: 'person' | 'agent' | 'hub'; readonly name: string };

/** An entry of the log. `position` counts from 1 over the whole log, `version` from 1 within the stream. */
export type RecordedEvent<Event extends DomainEvent = DomainEvent> = {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly recordedAt: Instant;
  readonly actor: Actor;
  readonly event: Event;
  /** SHA-256 in hex over the entry's canonical text and the hash of the entry before it. */
  readonly hash: string;
};

export type AppendRequest = {
  readonly stream: string;
  /** The version that the writer has seen; 0 for a stream that does not exist yet. */
  readonly expectedVersion: number;
  readonly events: readonly DomainEvent[];
  readonly actor: Actor;
  readonly at: Instant;
  /** Other streams that the decision looked at: nothing is appended when one of them has moved since. */
  readonly guards?: readonly StreamGuard[];
};

export type StreamGuard = { readonly stream: string; readonly version: number };

export type VersionConflict = {
  readonly code: 'version_conflict';
  readonly stream: string;
  readonly expectedVersion: number;
  readonly actualVersion: number;
};

export type Verification =
  | { readonly valid: true; readonly position: number; readonly hash: string }
  | { readonly valid: false; readonly position: number; readonly reason: string };

/**
 * The only truth: append-only and hash-chained. What `append` returned survives `kill -9` and loss of power.
 * Every implementation passes one conformance suite.
 */
export type DecisionLog = {
  /** All or nothing, in order, durable on return. */
  readonly append: (
    request: AppendRequest,
  ) => Promise<Result<readonly RecordedEvent[], VersionConflict>>;
  /** Several streams at once, all or nothing. */
  readonly appendAll: (
    requests: readonly AppendRequest[],
  ) => Promise<Result<readonly RecordedEvent[], VersionConflict>>;
  /** A stream in order, from `fromVersion` (1 is the first). */
  readonly readStream: (stream: string, fromVersion?: number) => AsyncIterable<RecordedEvent>;
  readonly lastOfStream: (stream: string) => Promise<RecordedEvent | undefined>;
  /** The whole log in order, after `position`, at most `limit` entries. */
  readonly readAfter: (position: number, limit: number) => Promise<readonly RecordedEvent[]>;
  readonly headPosition: () => Promise<number>;
  /** Calls back after each append of this process or, with several writers, when others' are noticed; returns unsubscribe. */
  readonly onAppended: (listener: (headPosition: number) => void) => () => void;
  /** Walks the chain from the start (or after a verified position) and names the first entry that does not fit. */
  readonly verify: (after?: { position: number; hash: string }) => Promise<Verification>;
  readonly close: () => Promise<void>;
};

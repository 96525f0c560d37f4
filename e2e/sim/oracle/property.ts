import type { Facts } from './facts.ts';
import type { Observation } from './observation.ts';

export type Violation = {
  readonly property: string;
  /** The property in words. */
  readonly meaning: string;
  /** What was seen that breaks it. */
  readonly detail: string;
  readonly atMs: number;
};

export type Fail = (detail: string) => void;

/** Something that must be true at every step. It looks at an observation before the facts take it in. */
export type Property = {
  readonly name: string;
  readonly meaning: string;
  /** One run's look; it may keep what it has seen. */
  readonly watch: (facts: Facts, fail: Fail) => (observation: Observation) => void;
};

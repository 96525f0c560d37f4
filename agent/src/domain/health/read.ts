import type { KubernetesObject } from '@fairlead/shared/manifest';

type Mapping = Readonly<Record<string, unknown>>;

export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
};

const mapping = (value: unknown): Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Mapping) : {};

/** A mapping at the path, empty where there is none, so that rules read missing parts as missing values. */
export function mappingAt(source: unknown, ...path: readonly string[]): Mapping {
  let current = mapping(source);
  for (const key of path) current = mapping(current[key]);
  return current;
}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
export const numberOf = (value: unknown, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise;
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

export const specOf = (object: KubernetesObject): Mapping => mappingAt(object, 'spec');
export const statusOf = (object: KubernetesObject): Mapping => mappingAt(object, 'status');

/** Unquoted in YAML, the status True is a boolean, and is taken for what it means. */
export function conditionsOf(status: Mapping): readonly Condition[] {
  return listOf(status.conditions).map((entry) => {
    const { type, status: state, reason, message } = mapping(entry);
    return {
      type: textOf(type),
      status: typeof state === 'boolean' ? (state ? 'True' : 'False') : textOf(state),
      reason: textOf(reason),
      message: textOf(message),
    };
  });
}

export const conditionOf = (status: Mapping, type: string): Condition | undefined =>
  conditionsOf(status).find((condition) => condition.type === type);

export const conditionText = ({ type, status, reason, message }: Condition): string =>
  message || reason || `${type} is ${status}`;

/**
 * Whether the controller has seen the newest specification. Objects of old clients may lack `metadata.generation`;
 * then there is nothing to compare with.
 */
export function isObserved(object: KubernetesObject): boolean {
  const observed = statusOf(object).observedGeneration;
  const generation = numberOf(mappingAt(object, 'metadata').generation, 0);
  return numberOf(observed, 0) >= generation;
}

/**
 * Whether a custom object's status says of itself that it is of an older specification: by its own `observedGeneration`
 * or by that of its Ready condition. Kinds that keep a hash or nothing there do not say it.
 */
export function isBehind(object: KubernetesObject): boolean {
  const status = statusOf(object);
  const generation = numberOf(mappingAt(object, 'metadata').generation, 0);
  const isOlder = (observed: unknown) => typeof observed === 'number' && observed < generation;
  if (isOlder(status.observedGeneration)) return true;
  return listOf(status.conditions).some((condition) => {
    const { type, observedGeneration } = mapping(condition);
    return type === 'Ready' && isOlder(observedGeneration);
  });
}

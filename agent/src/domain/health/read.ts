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

export function conditionsOf(status: Mapping): readonly Condition[] {
  return listOf(status.conditions).map((entry) => {
    const { type, status: state, reason, message } = mapping(entry);
    return {
      type: textOf(type),
      status: textOf(state),
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
  const { generation } = object.metadata;
  return generation === undefined || numberOf(observed, 0) >= generation;
}

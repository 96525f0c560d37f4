import { createHash } from 'node:crypto';
import { canonicalText, type KubernetesObject, type ObjectKey } from '@fairlead/shared/manifest';
import {
  type Assignment,
  type UnitId,
  type UnitReport,
  unitIdOf,
  unitObjectName,
} from '../../domain/link/index.ts';

export const unitApiVersion = 'fairlead.dev/v1alpha1';
export const unitKind = 'Unit';

/** KEP-3659: `applyset-<base64url(sha256("<name>.<namespace>.<kind>.<group>"))>-v1` of the parent object. */
export function applySetIdOf(unit: UnitId, agentNamespace: string): string {
  const identity = `${unitObjectName(unit)}.${agentNamespace}.${unitKind}.fairlead.dev`;
  return `applyset-${createHash('sha256').update(identity).digest('base64url')}-v1`;
}

/**
 * The parent of the unit's ApplySet; other tools read from it which kinds and namespaces hold members, and people what the
 * unit was assigned and how it is. It holds no time, so that it changes only when something has changed.
 */
export function parentObject(
  assignment: Assignment,
  agentNamespace: string,
  members: Iterable<ObjectKey>,
  report: UnitReport,
): KubernetesObject {
  const unit = unitIdOf(assignment);
  const groupKinds = new Set<string>();
  const namespaces = new Set<string>();
  for (const { group, kind, namespace } of members) {
    groupKinds.add(group === '' ? kind : `${kind}.${group}`);
    if (namespace !== '' && namespace !== agentNamespace) namespaces.add(namespace);
  }
  return {
    apiVersion: unitApiVersion,
    kind: unitKind,
    metadata: {
      name: unitObjectName(unit),
      namespace: agentNamespace,
      labels: { 'applyset.kubernetes.io/id': applySetIdOf(unit, agentNamespace) },
      annotations: {
        'applyset.kubernetes.io/tooling': 'fairlead/v0.1.0',
        'applyset.kubernetes.io/contains-group-kinds': [...groupKinds].sort().join(','),
        'applyset.kubernetes.io/additional-namespaces': [...namespaces].sort().join(','),
      },
    },
    spec: Object.fromEntries(specFields.map((field) => [field, assignment[field]])),
    status: {
      phase: report.phase,
      health: report.health,
      message: report.message,
      objectsTotal: report.objectsTotal,
      objectsHealthy: report.objectsHealthy,
      objects: `${report.objectsHealthy}/${report.objectsTotal}`,
      pruneHeldObjects: report.pruneHeldObjects,
    },
  };
}

const specFields = [
  'pipeline',
  'stage',
  'project',
  'epoch',
  'generation',
  'repository',
  'commit',
  'path',
] as const;

/** All that a parent says; equal texts need no write, whoever wrote the fields in whatever order. */
export const parentText = ({ metadata, spec, status }: KubernetesObject): string =>
  canonicalText([metadata.labels, metadata.annotations, spec, status].map((part) => part ?? {}));

/** The kinds that a parent says its members have: `Deployment.apps` is a kind and its group. */
export const groupKindsOf = (parent: KubernetesObject): { group: string; kind: string }[] =>
  (parent.metadata.annotations?.['applyset.kubernetes.io/contains-group-kinds'] ?? '')
    .split(',')
    .filter((text) => text !== '')
    .map((text) => {
      const [kind = '', ...group] = text.split('.');
      return { group: group.join('.'), kind };
    });

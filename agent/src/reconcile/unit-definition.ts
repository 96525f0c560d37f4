import type { KubernetesObject } from '@fairlead/shared/manifest';

const column = (name: string, jsonPath: string, priority = 0) => ({
  name,
  type: 'string',
  jsonPath,
  priority,
});

const text = { type: 'string' };
const count = { type: 'integer', format: 'int64' };

/** The definition of `units.fairlead.dev`, as the install brings it; the agent itself never writes definitions. */
export const unitDefinition: KubernetesObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'units.fairlead.dev',
    // KEP-3659 asks for this label on definitions whose objects are parents of ApplySets.
    labels: { 'applyset.kubernetes.io/is-parent-type': 'true' },
  },
  spec: {
    group: 'fairlead.dev',
    scope: 'Namespaced',
    names: { kind: 'Unit', listKind: 'UnitList', plural: 'units', singular: 'unit' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [
          column('Phase', '.status.phase'),
          column('Health', '.status.health'),
          column('Objects', '.status.objects'),
          column('Commit', '.status.commit', 1),
          column('Message', '.status.message'),
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            description:
              'What a unit (a pipeline stage in this cluster) was assigned and how it is.',
            properties: {
              status: {
                type: 'object',
                properties: {
                  epoch: count,
                  generation: count,
                  commit: text,
                  phase: text,
                  health: text,
                  message: text,
                  objectsTotal: count,
                  objectsHealthy: count,
                  objects: text,
                  pruneHeldObjects: count,
                },
              },
            },
          },
        },
      },
    ],
  },
};

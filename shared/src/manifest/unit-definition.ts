import type { KubernetesObject } from './object.ts';

const column = (name: string, jsonPath: string, priority = 0) => ({
  name,
  type: 'string',
  jsonPath,
  priority,
});

const text = { type: 'string' };
const count = { type: 'integer', format: 'int64' };

/**
 * The definition of `units.fairlead.dev`, as the install brings it: one Unit for each pipeline stage that a cluster runs,
 * with what was accepted (`spec`) and how it is (`status`). Only the agent writes Units, and always both at once, so there
 * is no status subresource: it would cost a second request for each change.
 */
export const unitDefinition: KubernetesObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'units.fairlead.dev',
    labels: {
      'app.kubernetes.io/part-of': 'fairlead',
      // KEP-3659 asks for this label on definitions whose objects are parents of ApplySets.
      'applyset.kubernetes.io/is-parent-type': 'true',
    },
  },
  spec: {
    group: 'fairlead.dev',
    scope: 'Namespaced',
    names: {
      kind: 'Unit',
      listKind: 'UnitList',
      plural: 'units',
      singular: 'unit',
      categories: ['fairlead'],
    },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        additionalPrinterColumns: [
          column('Pipeline', '.spec.pipeline'),
          column('Stage', '.spec.stage'),
          column('Phase', '.status.phase'),
          column('Health', '.status.health'),
          column('Objects', '.status.objects'),
          column('Commit', '.spec.commit', 1),
          column('Message', '.status.message'),
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            description:
              'What a unit (a pipeline stage in this cluster) was assigned and how it is.',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  pipeline: text,
                  stage: text,
                  project: text,
                  epoch: count,
                  generation: count,
                  repository: text,
                  commit: text,
                  path: text,
                },
              },
              status: {
                type: 'object',
                properties: {
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

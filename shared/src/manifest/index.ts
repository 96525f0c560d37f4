// Kubernetes objects as data: their shape, their identity, reading them from YAML or JSON text with limits, and the one
// kind that is Fairlead's own.
// Imports `result` and the YAML parser.
export { canonicalText } from './canonical-text.ts';
export {
  compareObjectKeys,
  groupOf,
  type KubernetesObject,
  type ObjectKey,
  objectKey,
  objectKeyText,
  parseObjectKey,
} from './object.ts';
export {
  type ManifestFault,
  type ManifestLimits,
  parseManifests,
  splitDocuments,
  valuesOf,
} from './parse.ts';
export { unitDefinition } from './unit-definition.ts';

// Health of objects in files, without a cluster: what `fairlead health` runs. Reads YAML, JSON and JSON lines, and prints a
// table or a document. Imports `domain/health`, `domain/health-expressions` and the YAML parser.
export { offlineHealth } from './offline-health.ts';
export { type FoundObject, type InputFault, readObjects } from './read-objects.ts';

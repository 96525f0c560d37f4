// The fold of the decision log into the tables: one entry at a time, in order, inside the caller's transaction. It reads
// nothing but the entry and the tables, so the same log always gives the same tables. Imports the domain's event types,
// `rollout` and the schema.
export { type FoldBatch, newBatch } from './batch.ts';
export { createFold, type Fold } from './fold.ts';
export { type EntrySubject, entrySubject } from './subject.ts';

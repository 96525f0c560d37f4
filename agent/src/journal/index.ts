// What the agent remembers over a crash: accepted assignments, what each unit owns, the audit and report outboxes (one
// SQLite file), runs of Jobs with their results, and the Git objects and folders of the trees it was assigned. Imports the
// domain's types, the ports of `reconcile` and `verification`, `limits`, drizzle and better-sqlite3; nothing else of the agent knows that there is a database.
export type { AuditRecord } from './audit-outbox.ts';
export { clipText } from './clip-text.ts';
export { collectGarbage } from './collect-garbage.ts';
export type { TreeName } from './complete-trees.ts';
export { JournalDamagedError, JournalError } from './database.ts';
export {
  type GitObject,
  type GitObjectKind,
  type GitTreeEntry,
  hashGitObject,
  isObjectId,
  parseTree,
} from './git-object.ts';
export type { GitObjectRows } from './git-object-rows.ts';
export { type Journal, type JournalOptions, type OutboxStatus, openJournal } from './journal.ts';
export { createObjectStore, type NamedGitObject, type ObjectStore } from './object-store.ts';
export type { PendingUnit, ReportRecord } from './report-outbox.ts';
export { createTreeFolders, type OpenedTree, type TreeFolders } from './tree-folders.ts';
export {
  createPathTrees,
  knownAlong,
  type WalkedTree,
  type WalkFailure,
  walkTree,
} from './walk-tree.ts';

// What tests of the agent build their cases from: Git commits as objects, and sample assignments, reports and audit events.
// Imports the domain's types and the journal's Git objects; no program imports it.
export {
  assignmentOf,
  auditOf,
  type BuiltCommit,
  buildCommit,
  type Folder,
  reportOf,
  someCommit,
} from './samples.ts';

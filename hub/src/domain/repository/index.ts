// A tracked Git repository: its definition, where its branch is, and whether the last look worked; a pure decider.
// Imports `result` and the types of its sibling subjects.
export {
  decideRepository,
  evolveRepository,
  initialRepositoryState,
  type RepositoryCommand,
  type RepositoryRejection,
  type RepositoryState,
} from './repository.ts';
export { type StatusWord, statusesOfCommit } from './statuses.ts';

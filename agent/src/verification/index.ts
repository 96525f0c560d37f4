// Runs the Jobs that the hub wants to have run once to verify a release: the tree and the file as for an assignment, under
// the same policy, signature and service account; then the Job is watched to its end and its result kept until the hub has
// it. A run is found again by its id after any end of the program, and is never run twice.
// Imports the domain, the cluster port, `reconcile`'s ports and limits; the journal is passed in.
export type {
  JobReference,
  OfferedRuns,
  PendingResult,
  RenderFile,
  RunRecord,
  VerificationJournal,
} from './ports.ts';
export { createVerifier, type Verifier, type VerifierDependencies } from './verifier.ts';

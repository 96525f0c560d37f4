import { err, ok, type Result } from '../result/index.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & {
  readonly [brand]: { readonly [name in Name]: true };
};

export type ProjectName = Branded<'ProjectName'>;
export type RepositoryName = Branded<'RepositoryName'>;
export type PipelineName = Branded<'PipelineName'>;
export type StageName = Branded<'StageName'>;
export type ClusterName = Branded<'ClusterName'>;
/** Made by the hub when a cluster is added; never reused, so a re-added name is another cluster. */
export type ClusterId = Branded<'ClusterId'>;
/** A full Git commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits. It also names a release within a pipeline. */
export type CommitId = Branded<'CommitId'>;
export type RolloutId = Branded<'RolloutId'>;
/** Of one request for approvals: a vote that names it can count for nothing else. */
export type ApprovalRequestId = Branded<'ApprovalRequestId'>;
/** Of one run of a verification or one analysis of a metric. */
export type RunId = Branded<'RunId'>;
export type FreezeId = Branded<'FreezeId'>;
/** Made at the edge, used at most once, for whatever a decision begins. */
export type NewId = RolloutId & ApprovalRequestId & RunId & FreezeId;

type NameKinds = ProjectName | RepositoryName | PipelineName | StageName | ClusterName;

const nameLengthMax = 63;
const namePattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const commitPattern = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const idPattern = /^[a-z0-9]{8,40}$/;

/**
 * Parses a resource name: an RFC 1123 label (at most 63 of `a-z 0-9 -`, with a letter or digit at both ends), so that it
 * fits into Kubernetes names and labels and into NATS subjects unchanged.
 */
export function parseName<Name extends NameKinds>(text: unknown): Result<Name, string> {
  if (typeof text !== 'string') return err('must be text');
  if (text.length > nameLengthMax) return err(`must have at most ${nameLengthMax} characters`);
  if (!namePattern.test(text)) {
    return err('must consist of a-z, 0-9 and "-", with a letter or digit at both ends');
  }
  return ok(text as string as Name);
}

export function parseCommitId(text: unknown): Result<CommitId, string> {
  if (typeof text !== 'string' || !commitPattern.test(text)) {
    return err('must be a full commit id of 40 or 64 lower-case hex digits');
  }
  return ok(text as CommitId);
}

export const parseClusterId = (text: unknown): Result<ClusterId, string> =>
  typeof text === 'string' && idPattern.test(text)
    ? ok(text as ClusterId)
    : err('must be a cluster id of 8 to 40 characters a-z, 0-9');

export const parseNewId = (text: unknown): Result<NewId, string> =>
  typeof text === 'string' && idPattern.test(text)
    ? ok(text as NewId)
    : err('must be an id of 8 to 40 characters a-z, 0-9');

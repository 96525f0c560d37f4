import { hasEmail, isOneOf, mayDo, type Person } from '../../hub/index.ts';
import type { ApprovalPolicy } from '../../pipeline/definition.ts';
import type { Release } from '../events.ts';
import type { ApprovalRequest, Vote } from './state.ts';

/** What a vote is judged by: the policy in force, and who the release comes from. */
export type VoteContext = {
  readonly policy: ApprovalPolicy;
  readonly release: Release;
  /** Subject of the person whose promotion of this release waits. */
  readonly requester: string | undefined;
};

type Voting = Pick<Person, 'subject' | 'groups'> & {
  /** Absent where only the vote tells of the person. */
  readonly emails?: readonly string[];
};

/** Why a person's vote does not count, in words that follow their name; nothing where it does. */
export function voterFault(voter: Voting, context: VoteContext): string | undefined {
  const { policy, release, requester } = context;
  const wanted = mayVote(policy);
  if (wanted.length > 0 && !isOneOf(voter, wanted)) return `is none of ${wanted.join(', ')}`;
  if (policy.excludeRequester && voter.subject === requester) {
    return 'asked for the promotion, and the requester has no vote';
  }
  const { emails } = voter;
  if (!policy.excludeAuthor || emails === undefined) return undefined;
  // Nobody is taken for another person than the author only because nothing is known of them.
  if (emails.length === 0) {
    return 'has no e-mail address here that could tell whether they are the author, who has no vote';
  }
  return hasEmail({ emails }, release.authorEmail)
    ? `is the author (${release.authorEmail}), who has no vote`
    : undefined;
}

/** Whoever must be among the voters may vote. Empty: everybody with the permission. */
export const mayVote = ({ from, including }: ApprovalPolicy): readonly string[] =>
  from.length === 0 ? [] : [...new Set([...from, ...including])];

export type JudgedVote = Vote & {
  /** The voter as the vote is judged by: as they are now, or as they were. */
  readonly voter: Voting;
  /** Why it does not count. */
  readonly fault?: string;
};

/** Every vote of a request as it stands now, in the order in which they were given. */
export function judgeVotes(
  request: ApprovalRequest,
  people: readonly Person[],
  context: VoteContext,
): JudgedVote[] {
  return [...request.votes.values()].map((vote) => {
    const now = people.find(({ subject }) => subject === vote.by.subject);
    if (!context.policy.recheckVoters) {
      const voter = { ...vote.by, ...(now?.emails.length ? { emails: now.emails } : {}) };
      return judged(vote, voter, voterFault(voter, context));
    }
    if (now === undefined) return judged(vote, vote.by, 'is not known to the hub any more');
    if (!mayDo(now, 'approve')) return judged(vote, now, 'may not approve any more');
    return judged(vote, now, voterFault(now, context));
  });
}

const judged = (vote: Vote, voter: Voting, fault: string | undefined): JudgedVote => ({
  ...vote,
  voter,
  ...(fault === undefined ? {} : { fault }),
});

/** Those of `including` that none of the votes that count is from. */
export const missingOf = (policy: ApprovalPolicy, counted: readonly JudgedVote[]): string[] =>
  policy.including.filter((name) => !counted.some(({ voter }) => isOneOf(voter, [name])));

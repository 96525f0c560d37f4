import { formatInstant } from '@fairlead/shared/time';
import { requestFault } from '../approval/validity.ts';
import { type JudgedVote, judgeVotes, mayVote, missingOf } from '../approval/votes.ts';
import { get } from '../persistent-map.ts';
import { short } from '../state.ts';
import type { Gate } from './gate.ts';

/** Enough people have approved exactly this release in this stage, and their votes still count. */
export const approvalGate: Gate = ({ state, stage, inStage, release, at, fleet }) => {
  const policy = stage.gates.approvals;
  if (policy === undefined) return undefined;
  const { commit } = release;
  const name = short(commit);
  const { required } = policy;
  const where = `${state.definition.name}/${stage.name} ${name}`;
  const request = get(inStage.approvals, commit);
  if (request === undefined) {
    const detail =
      `${name} needs ${approvals(required)}${ofWhom(mayVote(policy))}, and nobody was asked yet: ` +
      `\`fairlead approve ${where}\`.`;
    return { passed: false, detail, evidence: { required, counted: 0 } };
  }
  const { id: requestId, definitionRevision, expiresAt } = request;
  const common = { requestId, required, definitionRevision };
  const fault = requestFault(state, stage, request, at);
  if (fault !== undefined) {
    const remedy =
      fault.why === 'rejected'
        ? `\`fairlead promote ${where}\` asks again.`
        : `\`fairlead promote ${where}\` or an approval asks again.`;
    const evidence = { ...common, counted: 0, request: fault.why };
    return { passed: false, detail: `${fault.text} ${remedy}`, evidence };
  }
  const requester = inStage.request?.release === commit ? inStage.request.by : undefined;
  const votes = judgeVotes(request, fleet.people, { policy, release, requester });
  const counted = votes.filter(({ fault: why }) => why === undefined);
  const evidence = { ...common, counted: counted.length, ...voteEvidence(votes) };
  const names = counted.map(({ by }) => by.subject).join(', ');
  const missing = missingOf(policy, counted);
  if (counted.length >= required && missing.length === 0) {
    return { passed: true, detail: `${name} was approved by ${names || 'nobody'}.`, evidence };
  }
  const uncounted = votes.flatMap(({ by, fault: why }) =>
    why === undefined ? [] : [`the vote of ${by.subject} does not count, who ${why}`],
  );
  const detail = [
    `${name} has ${counted.length} of ${approvals(required)}${names ? ` (${names})` : ''}`,
    ...missing.map((one) => `one of ${one} is missing`),
    ...uncounted,
  ].join('; ');
  const until = expiresAt === undefined ? '' : ` before ${formatInstant(expiresAt)}`;
  const remedy = `\`fairlead approve ${where}\`${ofWhom(mayVote(policy))}${until} clears it.`;
  return { passed: false, detail: `${detail}: ${remedy}`, evidence };
};

const approvals = (count: number): string => `${count} approval${count === 1 ? '' : 's'}`;
const ofWhom = (names: readonly string[]): string =>
  names.length === 0 ? '' : ` by ${names.join(', ')}`;

/** Each vote under its voter: when it was given, or why it does not count. */
const voteEvidence = (votes: readonly JudgedVote[]): Record<string, string> =>
  Object.fromEntries(
    votes.map(({ by, at, fault }) => [
      `vote.${by.subject}`,
      fault === undefined ? `approved at ${formatInstant(at)}` : `does not count: ${fault}`,
    ]),
  );

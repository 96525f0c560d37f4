import type { CommitId } from '@fairlead/shared/ids';
import { unreachable } from '@fairlead/shared/result';
import type { PipelineEvent } from '../events.ts';
import { get, type PersistentMap, values, withEntry, withoutEntry } from '../persistent-map.ts';
import type { ApprovalEvent } from './events.ts';
import { requestsKeptMax } from './limits.ts';
import type { ApprovalRequest } from './state.ts';

type Approvals = PersistentMap<CommitId, ApprovalRequest>;
type Admission = Extract<PipelineEvent, { type: 'ReleaseAdmitted' | 'StagePassed' }>;

/** A vote for a request that is not the newest of its release, or that is closed, changes nothing. */
export function evolveApprovals(approvals: Approvals, event: ApprovalEvent | Admission): Approvals {
  const { release } = event;
  const request = get(approvals, release);
  if (event.type === 'ApprovalRequested') {
    const { requestId: id, definitionRevision, at, expiresAt } = event;
    return bounded(
      withEntry(approvals, release, {
        id,
        release,
        status: 'open',
        definitionRevision,
        requestedAt: at,
        ...(expiresAt === undefined ? {} : { expiresAt }),
        votes: new Map(),
      }),
    );
  }
  if (request?.status !== 'open') return approvals;
  const change = (next: Partial<ApprovalRequest>) =>
    withEntry(approvals, release, { ...request, ...next });
  if (event.type === 'ReleaseAdmitted' || event.type === 'StagePassed') {
    return change({ status: 'used' });
  }
  if (request.id !== event.requestId) return approvals;
  switch (event.type) {
    case 'ApprovalGiven': {
      const { by, comment, at } = event;
      return change({ votes: new Map(request.votes).set(by.subject, { by, comment, at }) });
    }
    case 'ApprovalWithdrawn': {
      const votes = new Map(request.votes);
      votes.delete(event.by.subject);
      return change({ votes });
    }
    case 'ApprovalRejected':
      return change({ status: 'rejected', message: `${event.by.subject}: ${event.reason}` });
    case 'ApprovalExpired':
      return change({ status: 'expired' });
    case 'ApprovalVoided':
      return change({ status: 'voided', message: event.reason });
    default:
      return unreachable(event);
  }
}

/** Open requests are never forgotten: the planner ends them, and opens no more than it may. */
function bounded(approvals: Approvals): Approvals {
  if (approvals.size <= requestsKeptMax) return approvals;
  const [oldest] = [...values(approvals)]
    .filter(({ status }) => status !== 'open')
    .sort((left, right) => left.requestedAt - right.requestedAt);
  return oldest === undefined ? approvals : withoutEntry(approvals, oldest.release);
}

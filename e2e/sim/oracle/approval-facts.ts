import type { StageEvent } from './stage-facts.ts';

type RequestFacts = {
  readonly id: string;
  readonly expiresAt: number | undefined;
  /** `used` by an admission; `over` when it was rejected, expired or became void. */
  status: 'open' | 'used' | 'over';
  /** Subjects of those whose approval stands. */
  readonly votes: Set<string>;
};

export type ApprovalFacts = ReturnType<typeof createApprovalFacts>;

/** The newest request of each release in one stage, and who has approved it. */
export function createApprovalFacts() {
  const requests = new Map<string, RequestFacts>();
  const named = (event: { release: string; requestId: string }) => {
    const request = requests.get(event.release);
    return request?.id === event.requestId && request.status === 'open' ? request : undefined;
  };
  return {
    of: (release: string): RequestFacts | undefined => requests.get(release),
    take: (event: StageEvent) => {
      switch (event.type) {
        case 'ApprovalRequested': {
          const { requestId: id, expiresAt } = event;
          requests.set(event.release, { id, expiresAt, status: 'open', votes: new Set() });
          return;
        }
        case 'ApprovalGiven':
          named(event)?.votes.add(event.by.subject);
          return;
        case 'ApprovalWithdrawn':
          named(event)?.votes.delete(event.by.subject);
          return;
        case 'ApprovalRejected':
        case 'ApprovalExpired':
        case 'ApprovalVoided': {
          const request = named(event);
          if (request) request.status = 'over';
          return;
        }
        case 'ReleaseAdmitted':
        case 'StagePassed': {
          const request = requests.get(event.release);
          if (request?.status === 'open') request.status = 'used';
          return;
        }
        default:
          return;
      }
    },
  };
}

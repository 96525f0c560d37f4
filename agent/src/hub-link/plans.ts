import { type AnswerPlanRequest, PlanAction, type PlanRequest } from '@fairlead/proto';
import type { Logger } from '@fairlead/shared/log';
import { type Assignment, failedPlan, type UnitPlan } from '../domain/link/index.ts';
import { clipText } from '../journal/index.ts';
import { linkCallMsMax, planMsMax, plansInParallelMax, reportMessageBytesMax } from '../limits.ts';
import { callUnary, openLink } from './channel.ts';
import type { IdentitySource } from './identity.ts';
import { assignmentOf } from './wire.ts';
import { differenceMessage } from './wire-drift.ts';

export type PlanDependencies = {
  readonly identity: Pick<IdentitySource, 'current'>;
  readonly preview: (assignment: Assignment, signal: AbortSignal) => Promise<UnitPlan>;
  readonly logger: Logger;
  /** Ends every plan. */
  readonly signal: AbortSignal;
};

const actions: Readonly<Record<UnitPlan['objects'][number]['action'], PlanAction>> = {
  create: PlanAction.PLAN_ACTION_CREATE,
  configure: PlanAction.PLAN_ACTION_CONFIGURE,
  prune: PlanAction.PLAN_ACTION_PRUNE,
  keep: PlanAction.PLAN_ACTION_KEEP,
  refuse: PlanAction.PLAN_ACTION_REFUSE,
};

/**
 * Answers what the hub asks about assignments that it has not given. A question is no order: one that cannot be answered
 * now is answered so, and one whose answer gets lost is asked again by whoever wants to know.
 */
export function createPlans(dependencies: PlanDependencies): (request: PlanRequest) => void {
  const { preview, logger, signal } = dependencies;
  let underWay = 0;

  const planFor = async ({ assignment }: PlanRequest): Promise<UnitPlan> => {
    if (assignment === undefined) return failedPlan('the hub asked for a plan of nothing');
    const parsed = assignmentOf(assignment);
    if (!parsed.ok) return failedPlan(`the agent cannot read the assignment: ${parsed.error}`);
    if (underWay >= plansInParallelMax) {
      return failedPlan(`the agent is busy with ${underWay} other plans; ask again`);
    }
    underWay++;
    try {
      const ended = AbortSignal.any([signal, AbortSignal.timeout(planMsMax)]);
      return await preview(parsed.value, ended);
    } finally {
      underWay--;
    }
  };

  const answer = async (request: PlanRequest): Promise<void> => {
    const plan = await planFor(request);
    if (signal.aborted) return;
    const failure = await sendPlan(dependencies, request.requestId, plan);
    if (failure) logger.warn({ reason: failure }, 'a plan did not reach the hub');
  };

  return (request) => {
    answer(request).catch((error) => logger.error({ err: error }, 'a plan failed'));
  };
}

/** Returns why it did not arrive, if so. */
async function sendPlan(
  { identity, signal }: PlanDependencies,
  requestId: string,
  plan: UnitPlan,
): Promise<string | undefined> {
  const current = identity.current();
  if (current === undefined) return 'the agent has no identity';
  const client = openLink(current);
  try {
    const sent = await callUnary<unknown>(
      (callOptions, callback) => {
        const call = client.answerPlan(callOptions, callback);
        void writeAll(call, planMessages(requestId, plan));
        return call;
      },
      AbortSignal.any([signal, AbortSignal.timeout(linkCallMsMax)]),
    );
    return sent.ok ? undefined : sent.error.message;
  } finally {
    client.close();
  }
}

type Call = {
  readonly write: (message: AnswerPlanRequest, written: () => void) => boolean;
  readonly end: () => void;
};

/** One after the other, as fast as the hub takes them; when the call fails, its callback says so. */
async function writeAll(call: Call, messages: Iterable<AnswerPlanRequest>): Promise<void> {
  for (const message of messages) {
    await new Promise<void>((resolve) => void call.write(message, () => resolve()));
  }
  call.end();
}

function* planMessages(requestId: string, plan: UnitPlan): Generator<AnswerPlanRequest> {
  for (const { object, action, differences, differencesTotal, message } of plan.objects) {
    yield {
      requestId,
      part: {
        $case: 'object',
        object: {
          object,
          action: actions[action],
          differences: differences.map(differenceMessage),
          differencesTotal,
          message: clipText(message, reportMessageBytesMax),
        },
      },
    };
  }
  const { totals } = plan;
  const { create, configure, prune, keep, refuse, unchanged } = totals;
  yield {
    requestId,
    part: {
      $case: 'complete',
      complete: {
        error: clipText(plan.error, reportMessageBytesMax),
        createTotal: create,
        configureTotal: configure,
        unchangedTotal: unchanged,
        pruneTotal: prune,
        keepTotal: keep,
        refuseTotal: refuse,
        objectsTruncated: create + configure + prune + keep + refuse - plan.objects.length,
        pruneHeld: clipText(plan.pruneHeld, reportMessageBytesMax),
      },
    },
  };
}

import {
  type AnswerPlanRequest,
  type AnswerPlanResponse,
  type FetchTreeRequest,
  PlanAction,
  type PlanComplete,
  type PlannedObject as PlannedObjectMessage,
} from '@fairlead/proto';
import type { ClusterId } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import { systemRandom } from '@fairlead/shared/time';
import { type ServerReadableStream, status } from '@grpc/grpc-js';
import type { Assignment } from '../domain/rollout/index.ts';
import { fieldValues, type PlanAnswer } from '../field-values/index.ts';
import {
  agentTextCharactersMax,
  planBytesMax,
  planObjectsMax,
  plansMax,
  plansPerClusterMax,
  planTimeoutMs,
} from '../limits.ts';
import { CallError, type Peer } from './call.ts';
import type { Watch } from './watch.ts';

export type PlanOutcome = Result<
  PlanAnswer,
  { readonly code: 'not_connected' | 'busy' | 'timeout'; readonly detail: string }
>;

type Asked = {
  readonly cluster: ClusterId;
  readonly assignment: Assignment;
  readonly resolve: (outcome: PlanOutcome) => void;
};

export type PlanOptions = {
  readonly newestWatchOf: (cluster: ClusterId) => Watch | undefined;
  readonly planTimeoutMs?: number;
};

/**
 * Questions to agents, over the watch that they hold open, and their answers. A question lives only here: when the hub
 * stops or the time is up it is gone, and the agent's right to fetch the commit with it.
 */
export function createPlans(options: PlanOptions) {
  const asked = new Map<string, Asked>();
  const timeoutMs = options.planTimeoutMs ?? planTimeoutMs;
  const ofCluster = (cluster: ClusterId) =>
    [...asked.values()].filter((each) => each.cluster === cluster);

  return {
    ask: (cluster: ClusterId, assignment: Assignment): Promise<PlanOutcome> => {
      const watch = options.newestWatchOf(cluster);
      if (watch === undefined) {
        return refused('not_connected', 'its agent is not connected to this hub');
      }
      if (ofCluster(cluster).length >= plansPerClusterMax || asked.size >= plansMax) {
        return refused('busy', 'other plans are under way');
      }
      const requestId = systemRandom.nextId();
      return new Promise((resolve) => {
        const settle = (outcome: PlanOutcome) => {
          clearTimeout(timer);
          asked.delete(requestId);
          resolve(outcome);
        };
        const detail = `its agent (${watch.agentVersion}) has not answered within ${timeoutMs / 1_000} s`;
        const timer = setTimeout(() => settle(err({ code: 'timeout', detail })), timeoutMs);
        asked.set(requestId, { cluster, assignment, resolve: settle });
        watch.requestPlan({ requestId, assignment });
      });
    },
    /** The assignment of a question that this fetch is for. */
    askedOf: (cluster: ClusterId, request: FetchTreeRequest): Assignment | undefined =>
      ofCluster(cluster).find(
        ({ assignment }) =>
          assignment.pipeline === request.pipeline &&
          assignment.stage === request.stage &&
          assignment.commit === request.commit &&
          assignment.root === request.root,
      )?.assignment,
    /** Reads an answer to its end. Only the cluster that was asked may give it. */
    take: async (
      call: ServerReadableStream<AnswerPlanRequest, AnswerPlanResponse>,
      peer: Peer,
    ): Promise<void> => {
      const reading = createReading();
      let waiting: Asked | undefined;
      for await (const message of call as AsyncIterable<AnswerPlanRequest>) {
        waiting = asked.get(message.requestId);
        if (waiting?.cluster !== peer.clusterId) {
          throw new CallError(status.NOT_FOUND, 'nobody waits for this plan any more');
        }
        reading.add(message);
      }
      const answer = reading.answer();
      if (waiting === undefined || answer === undefined) {
        throw new CallError(status.INVALID_ARGUMENT, 'the plan has no end');
      }
      waiting.resolve(ok(answer));
    },
  };
}

const refused = (code: 'not_connected' | 'busy', detail: string): Promise<PlanOutcome> =>
  Promise.resolve(err({ code, detail }));

function createReading() {
  const objects: PlanAnswer['objects'][number][] = [];
  let bytes = 0;
  let dropped = 0;
  let complete: PlanComplete | undefined;
  return {
    add: ({ part }: AnswerPlanRequest): void => {
      if (part?.$case === 'complete') complete = part.complete;
      if (part?.$case !== 'object') return;
      const object = objectOf(part.object);
      bytes += object === undefined ? 0 : JSON.stringify(object).length;
      if (object && objects.length < planObjectsMax && bytes <= planBytesMax) objects.push(object);
      else dropped++;
    },
    answer: (): PlanAnswer | undefined =>
      complete && {
        error: clip(complete.error),
        objects,
        totals: {
          create: complete.createTotal,
          configure: complete.configureTotal,
          unchanged: complete.unchangedTotal,
          prune: complete.pruneTotal,
          keep: complete.keepTotal,
          refuse: complete.refuseTotal,
        },
        objectsTruncated: complete.objectsTruncated + dropped,
        pruneHeld: clip(complete.pruneHeld),
      },
  };
}

const actions: Readonly<Partial<Record<PlanAction, PlanAnswer['objects'][number]['action']>>> = {
  [PlanAction.PLAN_ACTION_CREATE]: 'create',
  [PlanAction.PLAN_ACTION_CONFIGURE]: 'configure',
  [PlanAction.PLAN_ACTION_PRUNE]: 'prune',
  [PlanAction.PLAN_ACTION_KEEP]: 'keep',
  [PlanAction.PLAN_ACTION_REFUSE]: 'refuse',
};

function objectOf(message: PlannedObjectMessage): PlanAnswer['objects'][number] | undefined {
  const action = actions[message.action];
  if (action === undefined || message.object === undefined) return undefined;
  const { group, kind, namespace, name } = message.object;
  return {
    object: { group: clip(group), kind: clip(kind), namespace: clip(namespace), name: clip(name) },
    action,
    differences: fieldValues(message.differences),
    differencesTotal: message.differencesTotal,
    message: clip(message.message),
  };
}

const clip = (text: string): string => text.slice(0, agentTextCharactersMax);

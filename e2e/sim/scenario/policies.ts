import type { Chance } from '../world/chance.ts';
import type { StageShape } from './scenario.ts';

type Policies = Pick<
  StageShape,
  'gates' | 'rollout' | 'supersede' | 'hotfix' | 'afterMode' | 'isControl'
>;

/** The name of the only source of statuses. */
export const statusName = 'ci';

/** Everything that a stage may ask beyond order, health and soak. Most stages ask for little. */
export function policiesOf(chance: Chance): Policies {
  const [gates, rollout] = [chance.fork('gates'), chance.fork('rollout')];
  const isPlain = chance.happens(0.4);
  if (isPlain) return {};
  return {
    gates: gatesOf(gates),
    rollout: rolloutOf(rollout),
    ...(chance.happens(0.3) ? { supersede: supersedeOf(chance) } : {}),
    ...(chance.happens(0.15) ? { afterMode: 'any' } : {}),
    ...(chance.happens(0.08) ? { isControl: true } : {}),
    ...(chance.happens(0.2)
      ? { hotfix: { mayBypass: ['order', 'health', 'soak', 'approval', 'status'], from: [] } }
      : {}),
  };
}

const supersedeOf = (chance: Chance): NonNullable<Policies['supersede']> => ({
  mode: chance.pick(['latest', 'finish-current', 'latest-after']),
  soaks: 2,
  interrupt: chance.happens(0.3),
});

const gatesOf = (chance: Chance): NonNullable<Policies['gates']> => ({
  ...(chance.happens(0.25)
    ? {
        approvals: {
          required: chance.between(1, 2),
          from: [],
          including: [],
          excludeAuthor: chance.happens(0.5),
          excludeRequester: false,
          expiresAfterMs: chance.happens(0.3) ? 60_000 : 0,
          strict: false,
          recheckVoters: false,
        },
      }
    : {}),
  ...(chance.happens(0.15) ? { statuses: [statusName] } : {}),
});

const rolloutOf = (chance: Chance): NonNullable<Policies['rollout']> => ({
  ...(chance.happens(0.4) ? { waves: [{ kind: 'size', max: { count: 1 } }] } : {}),
  ...(chance.happens(0.3) ? { maxConcurrent: { count: 1 } } : {}),
  ...(chance.happens(0.25) ? { maxFailures: { count: 1 } } : {}),
  ...(chance.happens(0.2) ? { minHealthyMs: chance.between(2, 15) * 1_000 } : {}),
  offline: chance.pick(['wait', 'wait', 'skip-and-catch-up', 'fail']),
  lateJoin: chance.happens(0.2) ? 'append' : 'current',
  onFailure: chance.pick(['pause', 'pause', 'rollback-failed', 'rollback-wave', 'rollback']),
  ...(chance.happens(0.2) ? { retries: { limit: 1, backoffMs: 10_000 } } : {}),
});

import type {
  ClusterName,
  CommitId,
  FreezeId,
  NewId,
  ProjectName,
  StageName,
} from '@fairlead/shared/ids';
import { unreachable } from '@fairlead/shared/result';
import type { PipelineCommand } from '../../../hub/src/domain/promotion/index.ts';
import { pipelineName, repositoryName, type SimulatedHub } from '../parts/hub.ts';
import type { World } from '../parts/world.ts';
import { definitionOf, repositoryDefinition } from './definition.ts';
import { personOf } from './people.ts';
import { statusName } from './policies.ts';
import type { Action, ClusterShape, PersonName, StageShape } from './scenario.ts';

const person = { kind: 'person', name: 'ada' } as const;
const askAgainMs = 4_000;
const asksMax = 60;

/** A person asks the hub, and asks again while it does not answer. */
function ask(world: World, question: (hub: SimulatedHub) => Promise<unknown>, asked = 0): void {
  const hub = world.hub();
  if (hub) void question(hub);
  else if (asked < asksMax) world.time.after(askAgainMs, () => ask(world, question, asked + 1));
}

const command = (
  world: World,
  make: (hub: SimulatedHub) => PipelineCommand | Promise<PipelineCommand>,
): void => ask(world, async (hub) => hub.commands.pipeline(pipelineName, await make(hub), person));

export function define(world: World, stages: readonly StageShape[]): void {
  ask(world, async ({ commands }) => {
    await commands.repository(
      repositoryName,
      { type: 'define-repository', definition: repositoryDefinition },
      person,
    );
    await commands.pipeline(
      pipelineName,
      { type: 'define-pipeline', definition: definitionOf(stages) },
      person,
    );
    world.hub()?.lookAtRepository();
  });
}

export function addCluster(world: World, { name, stage }: ClusterShape): void {
  const host = world.hosts.get(name) ?? world.addHost(name);
  const at = world.hubClock.now();
  const certificate = { serial: `serial-${name}`, issuedAt: at, expiresAt: at + 86_400_000 };
  ask(world, async ({ commands }) => {
    const added = await commands.cluster(
      name,
      {
        type: 'add-cluster',
        id: host.id,
        name: name as ClusterName,
        project: 'default' as ProjectName,
        labels: { environment: stage },
        tokenHash: `token-${name}`,
        tokenExpiresAt: at + 86_400_000,
      },
      person,
    );
    if (!added.ok) return;
    await commands.cluster(
      name,
      {
        type: 'enrol',
        tokenHash: `token-${name}`,
        clusterKeyHash: `key-${name}`,
        clusterUid: `uid-${name}`,
        natsPublicKey: `nats-${name}`,
        certificate,
        agentVersion: '1.0.0',
        claims: {},
        at,
      },
      person,
    );
  });
  host.start();
}

/** The commit that the fraction points at, among all that ever were. */
function commitAt(world: World, which: number | undefined): CommitId | undefined {
  const commits = world.repository.all();
  return which === undefined ? undefined : commits[Math.floor(which * commits.length)]?.id;
}

export function perform(world: World, action: Action) {
  const { repository, network, hosts } = world;
  const hint = () => world.hub()?.lookAtRepository();
  switch (action.type) {
    case 'push':
      repository.push(action.behaviour, action.extras);
      return hint();
    case 'revert':
      repository.revert();
      return hint();
    case 'force-push':
      repository.drop(action.drops);
      return hint();
    case 'restore-branch':
      repository.restore();
      return hint();
    case 'define':
      return define(world, action.stages);
    case 'add-cluster':
      return addCluster(world, action.cluster);
    case 'crash-hub':
      return world.crashHub(action.boundaries, action.downMs);
    case 'hub-clock':
      return world.hubClock.jump(action.byMs);
    case 'cut':
      return network.cut(action.cluster, action.durationMs);
    case 'crash-agent':
      return hosts.get(action.cluster)?.crash(action);
    case 'agent-clock':
      return hosts.get(action.cluster)?.clock.jump(action.byMs);
    case 'lose-api':
      return hosts.get(action.cluster)?.cluster.loseApi(action.durationMs);
    case 'degrade':
      return hosts.get(action.cluster)?.cluster.degrade(action.durationMs);
    case 'meddle':
      return hosts.get(action.cluster)?.cluster.meddle(action.object, action.deletes);
    case 'freeze':
      return freeze(world, action);
    case 'unfreeze':
      return unfreezeAll(world);
    default:
      return askPerson(world, action);
  }
}

type Asked = Extract<
  Action,
  {
    type:
      | 'move-cluster'
      | 'remove-cluster'
      | 'revoke-cluster'
      | 'promote'
      | 'rollback'
      | 'hold'
      | 'resume'
      | 'abort'
      | 'confirm'
      | 'approve'
      | 'reject'
      | 'withdraw-approval'
      | 'report-status'
      | 'pause'
      | 'continue';
  }
>;

function askPerson(world: World, action: Asked) {
  const reason = 'the simulator wants it';
  const stage = ('stage' in action ? action.stage : '') as StageName;
  switch (action.type) {
    case 'move-cluster': {
      const labels = { environment: action.stage };
      return ask(world, ({ commands }) =>
        commands.cluster(action.cluster, { type: 'change-labels', labels }, person),
      );
    }
    case 'remove-cluster':
    case 'revoke-cluster': {
      const type = action.type === 'remove-cluster' ? 'remove' : 'revoke';
      return ask(world, ({ commands }) =>
        commands.cluster(action.cluster, { type, reason }, person),
      );
    }
    case 'promote': {
      const release = commitAt(world, action.which);
      return promote(world, action, release);
    }
    case 'rollback': {
      const release = commitAt(world, action.which);
      return command(world, async (hub) => ({
        type: 'rollback',
        stage,
        reason,
        snapshot: await hub.snapshot(),
        newId: world.hubIds() as NewId,
        by: personOf('bob'),
        ...(release ? { release } : {}),
        ...(action.overrides ? { overrideReason: reason } : {}),
      }));
    }
    case 'hold':
      return command(world, () => ({ type: 'hold-stage', stage, reason }));
    case 'resume':
      return command(world, () => ({ type: 'resume-stage', stage, reason }));
    case 'abort':
      return command(world, () => ({ type: 'abort-rollout', stage, reason }));
    case 'confirm':
      return confirmAll(world);
    case 'pause':
    case 'continue': {
      const type = `${action.type}-rollout` as const;
      return command(world, () => ({ type, stage, reason, at: world.hubClock.now() }));
    }
    case 'report-status': {
      const commit = commitAt(world, action.which);
      return commit && reportStatus(world, commit, action.state);
    }
    case 'approve':
    case 'reject':
    case 'withdraw-approval': {
      const release = commitAt(world, action.which);
      return release && vote(world, { ...action, stage, release });
    }
    default:
      return unreachable(action);
  }
}

function promote(
  world: World,
  { stage, force, hotfix, overrides }: Extract<Action, { type: 'promote' }>,
  release: CommitId | undefined,
): void {
  command(world, ({ readModel }) => {
    const definition = readModel
      .definitionOf(pipelineName)
      ?.stages.find(({ name }) => name === stage);
    const bypass = definition?.hotfix?.mayBypass;
    return {
      type: 'promote',
      stage: stage as StageName,
      force,
      at: world.hubClock.now(),
      by: personOf('ada'),
      newId: world.hubIds() as NewId,
      ...(release ? { release } : {}),
      ...(hotfix && bypass ? { hotfix: { bypass, reason: 'it is urgent' } } : {}),
      ...(overrides ? { overrideReason: 'it is urgent' } : {}),
    };
  });
}

function freeze(world: World, action: Extract<Action, { type: 'freeze' }>): void {
  const { stage, stops, durationMs, asItAssigns } = action;
  const declare = ({ commands }: SimulatedHub) => {
    const at = world.hubClock.now();
    return commands.freezes(
      {
        type: 'declare-freeze',
        id: world.hubIds() as FreezeId,
        scope:
          stage === undefined
            ? { kind: 'hub' }
            : { kind: 'stage', pipeline: pipelineName, stage: stage as StageName },
        reason: 'nothing may change now',
        by: 'bob',
        at,
        running: stops ? 'stop' : 'drain',
        ...(durationMs === undefined ? {} : { until: at + durationMs }),
      },
      person,
    );
  };
  const hub = world.hub();
  if (asItAssigns) hub?.beforeAssignment(() => void declare(hub));
  else ask(world, declare);
}

/** Lifts whatever was declared. */
export function unfreezeAll(world: World): void {
  ask(world, async ({ commands }) => {
    const { state } = await commands.freezesState();
    for (const id of state.freezes.keys()) {
      const at = world.hubClock.now();
      const lift = { type: 'lift-freeze', id, reason: 'it is over', by: 'bob', at } as const;
      await commands.freezes(lift, person);
    }
  });
}

export function vote(
  world: World,
  ballot: {
    type: 'approve' | 'reject' | 'withdraw-approval';
    stage: StageName;
    release: CommitId;
    by: PersonName;
  },
): void {
  command(world, () => ({
    ...ballot,
    by: personOf(ballot.by),
    comment: 'looked at it',
    reason: 'looked at it',
    at: world.hubClock.now(),
    newId: world.hubIds() as NewId,
  }));
}

/** What CI says of a commit, as the hub keeps it. */
export function reportStatus(world: World, commit: CommitId, state: 'success' | 'failure'): void {
  const receivedAt = world.hubClock.now();
  world.statuses.set(commit, { commit, name: statusName, state, description: '', receivedAt });
}

/** A person looks at everything that waits for a confirmation, and gives it. */
export function confirmAll(world: World): void {
  ask(world, async (hub) => {
    const { readModel, commands } = hub;
    const at = world.hubClock.now();
    for (const [stage, clusters] of readModel.heldWithdrawals()) {
      await commands.pipeline(
        pipelineName,
        {
          type: 'confirm-withdrawal',
          stage: stage as StageName,
          clusters,
          reason: 'meant so',
          at,
        },
        person,
      );
    }
    for (const report of readModel.reportsOf(pipelineName)) {
      if (report.phase !== 'prune-held') continue;
      const { stage, cluster, generation, pruneHeldDigest: digest } = report;
      const snapshot = await hub.snapshot();
      const clusterName = cluster.slice('cluster0'.length) as ClusterName;
      await commands.pipeline(
        pipelineName,
        { type: 'confirm-prune', stage, cluster, clusterName, generation, digest, snapshot },
        person,
      );
    }
  });
}

import type { StageDefinition } from '../../../hub/src/domain/pipeline/index.ts';
import { type EventOf, type Facts, pipelineEvent } from './facts.ts';
import { healthFault } from './health-fault.ts';
import type { Fail, Property } from './property.ts';

const name = (commit: string) => commit.slice(0, 6);

export type Admission = {
  readonly event: EventOf<'ReleaseAdmitted'> | EventOf<'StagePassed'>;
  readonly release: string;
  readonly stage: StageDefinition;
  /** A person asked for exactly this release. */
  readonly request: EventOf<'PromotionRequested'> | undefined;
  /** Gates that are on record as passed by somebody's word. */
  readonly bypassed: ReadonlySet<string>;
  /** Watched time, as the hub knew it. */
  readonly watchedMs: number;
};

/** Calls back for each way of a release into a stage, while the facts are still those from before it. */
export function eachAdmission(
  look: (facts: Facts, fail: Fail, admission: Admission) => void,
): Property['watch'] {
  return (facts, fail) => (observation) => {
    const event = pipelineEvent(observation);
    if (event?.type !== 'ReleaseAdmitted' && event?.type !== 'StagePassed') return;
    // What succeeded in later stages before this one was put in between came by no gate.
    if (event.type === 'StagePassed' && event.reason === 'backfill') return;
    const stage = facts.definition()?.stages.find((one) => one.name === event.stage);
    if (!stage) return fail(`${event.stage} is no stage of the definition`);
    const asked = facts.stage(event.stage).request();
    const times = facts.snapshotsAt(event.at ?? 0).map(({ watchedMs }) => watchedMs ?? 0);
    look(facts, fail, {
      event,
      release: event.release,
      stage,
      request: asked?.release === event.release ? asked : undefined,
      bypassed: new Set(event.gates.flatMap(({ gate, bypassed }) => (bypassed ? gate : []))),
      watchedMs: Math.max(...times, 0) || (event.at ?? 0),
    });
  };
}

/** The stages before this one that count for health and soak: control stages are looked through. */
function stagesFault(
  facts: Facts,
  stage: StageDefinition,
  faultOf: (before: string) => string | undefined,
): string | undefined {
  const faults = stage.after.map((before) => {
    const definition = facts.definition()?.stages.find((one) => one.name === before);
    const isControl = definition !== undefined && definition.clusters === undefined;
    return isControl ? stagesFault(facts, definition, faultOf) : faultOf(before);
  });
  const found = faults.filter((fault) => fault !== undefined);
  if (stage.afterMode === 'any' && found.length < faults.length) return undefined;
  return found[0];
}

/** Going back asks no gate. */
export const isRollback = ({ kind }: { kind: string }): boolean => /rollback/.test(kind);

const gatesOnRecord: Property = {
  name: 'gate soundness, on record',
  meaning:
    'An admission is by the newest definition, and every gate that the stage asks is on record as passed, or as passed by ' +
    'by the word of somebody with the right to name exactly this gate.',
  watch: eachAdmission((facts, fail, { event, release, stage, request }) => {
    const where = `${name(release)} in ${stage.name}`;
    if (event.definitionRevision !== facts.revision()) {
      fail(`${where} by revision ${event.definitionRevision}, ${facts.revision()} is in force`);
    }
    const known = event.gates.map(({ gate }) => gate as string);
    const asked = ['order', 'health', 'soak', 'manual', 'hold'];
    if (stage.gates.approvals) asked.push('approval');
    if (stage.gates.statuses?.length) asked.push('status');
    const missing = asked.filter((gate) => !known.includes(gate));
    if (missing.length > 0) fail(`${missing.join(', ')} was not asked for ${where}`);
    for (const { gate, passed, bypassed } of event.gates) {
      if (passed) continue;
      if (!bypassed) fail(`${gate} had not passed for ${where}`);
      const isAllowed = ['window', 'freeze'].includes(gate)
        ? request?.override !== undefined
        : (request?.hotfix?.bypass as readonly string[] | undefined)?.includes(gate) &&
          (stage.hotfix?.mayBypass as readonly string[] | undefined)?.includes(gate);
      const byRevert = (
        facts.definition()?.releases?.revertBypasses as readonly string[]
      )?.includes(gate);
      if (!isAllowed && !byRevert) fail(`nobody with the right let ${where} by ${gate}`);
    }
  }),
};

const admitted: Property = {
  name: 'gate soundness, admission',
  meaning:
    'Each rollout but a rollback follows an admission of exactly this release to exactly this stage.',
  watch: (_, fail) => {
    let admission: EventOf<'ReleaseAdmitted'> | undefined;
    return (observation) => {
      const event = pipelineEvent(observation);
      if (event?.type === 'ReleaseAdmitted') admission = event;
      if (event?.type !== 'RolloutStarted' || isRollback(event)) return;
      const { rolloutId, release, stage } = event;
      if (admission?.rolloutId !== rolloutId)
        fail(`${stage} rolls ${name(release)} out unadmitted`);
      else if (admission.release !== release || admission.stage !== stage) {
        fail(`the admission of ${rolloutId} is for another release or stage`);
      }
    };
  },
};

const order: Property = {
  name: 'order',
  meaning: 'No release reaches a stage before it has succeeded in each stage that comes before.',
  watch: eachAdmission((facts, fail, { release, stage, bypassed }) => {
    if (bypassed.has('order')) return;
    const missing = stage.after.filter((before) => !facts.stage(before).hasSucceeded(release));
    const isOpen = stage.afterMode === 'any' && missing.length < stage.after.length;
    if (missing.length > 0 && !isOpen) {
      fail(
        `${stage.name} takes ${name(release)}, which has not succeeded in ${missing.join(', ')}`,
      );
    }
  }),
};

const soak: Property = {
  name: 'gate soundness, soak',
  meaning:
    'A release was healthy without a break for the whole soak in each stage before; separate stays are never added up.',
  watch: eachAdmission((facts, fail, { release, stage, bypassed, watchedMs }) => {
    const { soakMs = 0 } = stage.gates;
    if (soakMs === 0 || bypassed.has('soak')) return;
    const fault = stagesFault(facts, stage, (before) => {
      const soakedMs = facts.stage(before).soakedMs(release, watchedMs);
      return soakedMs >= soakMs ? undefined : `${soakedMs} of ${soakMs} ms in ${before}`;
    });
    if (fault) fail(`${stage.name} takes ${name(release)} after ${fault}`);
  }),
};

const health: Property = {
  name: 'gate soundness, health',
  meaning:
    'At the admission each stage before is healthy with the release by the reports of that very moment, or was so until ' +
    'another release came; unknown and offline are not healthy.',
  watch: eachAdmission((facts, fail, { event, release, stage, bypassed }) => {
    if (bypassed.has('health')) return;
    const fault = stagesFault(facts, stage, (before) => {
      const { stay, leftHealthy } = facts.stage(before);
      if (stay()?.release !== release) {
        return leftHealthy(release) ? undefined : `${before} was not healthy with it at the end`;
      }
      if (stay()?.health !== 'healthy') return `${before} is ${stay()?.health} by the log`;
      return healthFault(facts, before, event.at ?? 0);
    });
    if (fault) fail(`${stage.name} takes ${name(release)}: ${fault}`);
  }),
};

const approval: Property = {
  name: 'gate soundness, approval',
  meaning:
    'Enough different people, none of them its author where the stage says so, have approved exactly this release for ' +
    'exactly this stage by a request that is open.',
  watch: eachAdmission((facts, fail, { event, release, stage, request, bypassed }) => {
    const policy = stage.gates.approvals;
    if (!policy || bypassed.has('approval')) return;
    const { approvals, last } = facts.stage(stage.name);
    const asked = approvals.of(release);
    // A release that failed is tried again by itself with the approvals that it had.
    const isRetry = !request && last()?.release === release && last()?.outcome === 'failed';
    if (asked?.status !== 'open' && !(asked?.status === 'used' && isRetry)) {
      return fail(`${stage.name} takes ${name(release)} without an open request`);
    }
    if (asked.expiresAt !== undefined && (event.at ?? 0) >= asked.expiresAt) {
      fail(`the request for ${name(release)} in ${stage.name} had expired`);
    }
    const counted = [...asked.votes].filter((one) => !(policy.excludeAuthor && one === 'ada'));
    if (counted.length < policy.required) {
      fail(
        `${name(release)} has ${counted.length} of ${policy.required} approvals in ${stage.name}`,
      );
    }
  }),
};

const status: Property = {
  name: 'gate soundness, status',
  meaning:
    'Each status that the stage asks for says success of exactly this commit by its newest word.',
  watch: eachAdmission((facts, fail, { event, release, stage, bypassed }) => {
    if (bypassed.has('status')) return;
    for (const source of stage.gates.statuses ?? []) {
      const isGood = facts
        .snapshotsAt(event.at ?? 0)
        .some(({ statuses }) =>
          statuses.some(
            (one) => one.commit === release && one.name === source && one.state === 'success',
          ),
        );
      if (!isGood) fail(`${source} does not say success of ${name(release)} for ${stage.name}`);
    }
  }),
};

const manual: Property = {
  name: 'gate soundness, manual',
  meaning: 'A stage that is promoted by hand takes only what a person asked for.',
  watch: eachAdmission((_, fail, { release, stage, request }) => {
    if (stage.promote === 'manual' && !request)
      fail(`nobody asked for ${name(release)} in ${stage.name}`);
  }),
};

const hold: Property = {
  name: 'gate soundness, hold',
  meaning:
    'A held stage takes nothing; the hold of a rollback gives way to what a person asks for by name.',
  watch: eachAdmission((facts, fail, { release, stage, request }) => {
    const held = facts.stage(stage.name).hold();
    const givesWay =
      held?.automatic && (request || stage.holdAfterRollback === 'until-newer-release');
    if (held && !givesWay) fail(`${stage.name} is held and takes ${name(release)}`);
  }),
};

const pinned: Property = {
  name: 'a kept place is kept',
  meaning: 'While a release keeps its place in a stage, no other is admitted by itself.',
  watch: eachAdmission((facts, fail, { release, stage, request }) => {
    const place = facts.stage(stage.name).pinned();
    if (!place || request || place === release || stage.supersede?.mode === 'latest') return;
    fail(`${stage.name} takes ${name(release)}, ${name(place)} has its place`);
  }),
};

const superseded: Property = {
  name: 'superseded stays superseded',
  meaning:
    'A release is not admitted by itself while the newer one that took its place may still come, or has come.',
  watch: eachAdmission((facts, fail, { release, stage, request }) => {
    const by = facts.stage(stage.name).supersededBy(release);
    if (!by || request || facts.isOrphaned(by)) return;
    // What was rolled back in the stages before does not come any more, so what it superseded may.
    if (!stage.after.every((one) => facts.stage(one).hasSucceeded(by))) return;
    fail(`${stage.name} takes ${name(release)}, superseded by ${name(by)}`);
  }),
};

const orphaned: Property = {
  name: 'orphaned is no candidate',
  meaning:
    'A release that a force-push dropped from the branch enters a stage only when a person forces it.',
  watch: eachAdmission((facts, fail, { release, stage, request }) => {
    if (!facts.isOrphaned(release) || request?.force) return;
    fail(`${stage.name} takes ${name(release)}, which was dropped`);
  }),
};

const forward: Property = {
  name: 'forward only',
  meaning:
    'By itself a stage only goes to newer releases, unless what it runs was dropped from the branch.',
  watch: eachAdmission((facts, fail, { release, stage, request }) => {
    const last = facts.stage(stage.name).last();
    if (request || last === undefined || facts.isOrphaned(last.release)) return;
    if (facts.positionOf(release) < facts.positionOf(last.release)) {
      fail(`${stage.name} goes from ${name(last.release)} back to ${name(release)} by itself`);
    }
  }),
};

const oscillation: Property = {
  name: 'no oscillation',
  meaning:
    'A release enters a stage by itself at most once, and again only as often as the stage tries a failure again; a ' +
    'person, or a change of the branch, may bring it back.',
  watch: eachAdmission((facts, fail, { release, stage, request }) => {
    const { entries } = facts.stage(stage.name);
    const triesMax = 1 + (stage.rollout.retries?.limit ?? 0);
    if (request || entries(release) < triesMax) return;
    fail(`${stage.name} takes ${name(release)} by itself for the ${entries(release) + 1}th time`);
  }),
};

export const admissionProperties: readonly Property[] = [
  gatesOnRecord,
  admitted,
  order,
  soak,
  health,
  approval,
  status,
  manual,
  hold,
  pinned,
  superseded,
  orphaned,
  forward,
  oscillation,
];

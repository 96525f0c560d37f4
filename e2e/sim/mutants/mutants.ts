/** One mistake that somebody could make: a text of a source file and what stands there instead. */
export type Mutant = {
  readonly name: string;
  readonly file: string;
  /** Exactly once in the file. */
  readonly find: string;
  readonly replace: string;
};

const promotion = 'hub/src/domain/promotion';

/**
 * Mistakes in the core and around it. Each breaks a promise, so the simulator must find it: one that survives shows a
 * property that is missing, or a story that is never told.
 */
export const mutants: readonly Mutant[] = [
  {
    name: 'health gate always passes',
    file: `${promotion}/gates/health.ts`,
    find: 'if (faults.length > 0) return',
    replace: 'if (faults.length > 1_000) return',
  },
  {
    name: 'order gate always passes',
    file: `${promotion}/candidate.ts`,
    find: "(before) => get(stageState(state, before).releases, commit)?.outcome !== 'succeeded'",
    replace: "(before) => get(stageState(state, before).releases, commit)?.outcome === 'failed'",
  },
  {
    name: 'hold gate always passes',
    file: `${promotion}/gates/hold.ts`,
    find: 'if (hold === undefined)',
    replace: 'if (hold !== null)',
  },
  {
    name: 'manual gate always passes',
    file: `${promotion}/gates/manual.ts`,
    find: "if (stage.promote === 'automatic')",
    replace: "if (stage.promote !== ('never' as string))",
  },
  {
    name: 'soak adds stays up',
    file: `${promotion}/stay.ts`,
    find: 'Math.max(before.soaked?.[pair] ?? 0, now[pair])',
    replace: '(before.soaked?.[pair] ?? 0) + now[pair]',
  },
  {
    name: 'soak counts unhealthy time',
    file: `${promotion}/stay.ts`,
    find: "return { ...rest, health, message, soaked: withReset(gathered, 'reset-') };",
    replace: 'return { ...rest, health, message, soaked: gathered };',
  },
  {
    name: 'evidence ignores the generation',
    file: `${promotion}/fleet-view.ts`,
    find: 'if (report === undefined || report.generation !== target.generation) return undefined;',
    replace: 'if (report === undefined) return undefined;',
  },
  {
    name: 'evidence ignores the commit',
    file: `${promotion}/fleet-view.ts`,
    find: 'report.commit !== target.release || ',
    replace: '',
  },
  {
    name: 'a second rollout may start',
    file: `${promotion}/advance.ts`,
    find: 'if (inStage.rollout !== undefined && !mayInterrupt(',
    replace: 'if (inStage.rollout === null && !mayInterrupt(',
  },
  {
    name: 'the generation does not grow',
    file: `${promotion}/plan-rollout.ts`,
    find: 'generation: state.generation + 1,',
    replace: 'generation: Math.max(1, state.generation),',
  },
  {
    name: 'batches skip the last target',
    file: 'hub/src/domain/rollout/waves.ts',
    find: 'const left = free.slice(taken);',
    replace: 'const left = free.slice(taken, Math.max(taken + 1, free.length - 1));',
  },
  {
    name: 'a failed release is tried for ever',
    file: `${promotion}/candidate.ts`,
    find: "    case 'failed': {\n      const { failures",
    replace:
      "    case 'failed':\n      return undefined;\n    case 'never' as never: {\n      const { failures",
  },
  {
    name: 'a stage goes back to older releases by itself',
    file: `${promotion}/candidate.ts`,
    find: 'newerInStage(state, stage.name, newest)',
    replace: 'newerInStage(state, stage.name, { position: Number.POSITIVE_INFINITY })',
  },
  {
    name: 'an orphaned release is a candidate',
    file: `${promotion}/candidate.ts`,
    find: '      !release.orphaned &&\n      isInOrder(',
    replace: '      isInOrder(',
  },
  {
    name: 'a rollback does not hold the stage',
    file: `${promotion}/rollback.ts`,
    find: 'if (hold === undefined) {',
    replace: 'if (hold === null) {',
  },
  {
    name: 'the deadline is ignored',
    file: `${promotion}/target-outcomes.ts`,
    find: 'if (fleet.at < deadlineAt) {',
    replace: 'if (fleet.at > 0) {',
  },
  {
    name: 'one target is enough for success',
    file: `${promotion}/target-outcomes.ts`,
    find: 'if (targets.some(({ cluster }) => !get(outcomes, cluster))) return [];',
    replace:
      'if (count.succeeded === 0 && targets.some(({ cluster }) => !get(outcomes, cluster))) return [];',
  },
  {
    name: 'one failure more is borne',
    file: `${promotion}/target-outcomes.ts`,
    find: 'if (count.failed > budget) return',
    replace: 'if (count.failed > budget + 1) return',
  },
  {
    name: 'the next wave does not wait',
    file: `${promotion}/running.ts`,
    find: 'if (open) return undefined;',
    replace: '',
  },
  {
    name: 'more targets are under way than may be',
    file: `${promotion}/batches.ts`,
    find: 'if (assignments.length >= room) break;',
    replace: 'if (assignments.length > room) break;',
  },
  {
    name: 'a release is rolled back by itself again and again',
    file: `${promotion}/failure.ts`,
    find: 'if (get(inStage.releases, failed.release)?.automaticallyRolledBack) {',
    replace: 'if (get(inStage.releases, failed.release) === null) {',
  },
  {
    name: 'an approval counts for another release',
    file: `${promotion}/gates/approval.ts`,
    find: 'const request = get(inStage.approvals, commit);',
    replace:
      'const request = inStage.approvals.buckets.flatMap((one) => [...(one?.values() ?? [])]).find(({ votes }) => votes.size > 0) ?? get(inStage.approvals, commit);',
  },
  {
    name: 'the author approves',
    file: `${promotion}/approval/votes.ts`,
    find: 'if (!policy.excludeAuthor || emails === undefined) return undefined;',
    replace: 'if (emails !== null) return undefined;',
  },
  {
    name: 'a status of another commit counts',
    file: `${promotion}/gates/status.ts`,
    find: 'const status = fleet.statusOf(release.commit, source);',
    replace: 'const status = fleet.statuses.find(({ name }) => name === source);',
  },
  {
    name: 'a kept place is not kept',
    file: `${promotion}/evolve.ts`,
    find: 'return { ...stage, pinned: event.release };',
    replace: 'return stage;',
  },
  {
    name: 'a freeze is not asked at assignments',
    file: `${promotion}/freeze.ts`,
    find: 'if (inForce.length === 0) return { frozen: false };',
    replace: 'if (inForce.length < 2) return { frozen: false };',
  },
  {
    name: 'a freeze may come between a decision and its record',
    file: 'hub/src/commands/handler.ts',
    find: 'guards: version === undefined ? [] : [{ stream: streams.freezes, version }],',
    replace: 'guards: version === undefined ? [] : [],',
  },
  {
    name: 'a late joiner gets the running release',
    file: `${promotion}/steps.ts`,
    find: 'if (runs !== undefined && target === undefined) return assigned(cluster, runs,',
    replace:
      'if (runs !== undefined && target === undefined)\n      return assigned(cluster, rollout?.release ?? runs,',
  },
  {
    name: 'a withdrawn target is still assigned',
    file: `${promotion}/evolve.ts`,
    find: '(target: PlannedTarget) => target.cluster !== cluster;',
    replace: '(target: PlannedTarget) => target.cluster !== undefined;',
  },
  {
    name: 'the audit is appended again when it is sent again',
    file: 'hub/src/commands/agent-audit.ts',
    find: 'if (audited.sequence <= sequence) continue;',
    replace: '',
  },
  {
    name: 'an agent takes older generations',
    file: 'agent/src/domain/link/accept.ts',
    find: 'if (offered.generation < held.generation) {',
    replace:
      "if (offered.generation < held.generation) return { kind: 'accept' };\n  if (offered.generation < 0) {",
  },
  {
    name: 'an agent prunes before the new objects are healthy',
    file: 'agent/src/reconcile/turn.ts',
    find: 'return isHealthy(context, unit, target);',
    replace: 'isHealthy(context, unit, target);\n    return true;',
  },
];

import type { KubernetesObject } from '@fairlead/shared/manifest';
import type { Clock, Random } from '@fairlead/shared/time';
import type { Cluster } from '../cluster/index.ts';
import { healthOf } from '../domain/health/index.ts';
import {
  type Acceptance,
  type Assignment,
  type AuditKind,
  acceptAssignment,
  type UnitId,
  type UnitPhase,
  type UnitPlan,
  type UnitReport,
  unitIdOf,
} from '../domain/link/index.ts';
import { partOfLabel } from '../domain/plan/index.ts';
import {
  unitLookDelayMsMax,
  unitObjectsLookedAtPerMs,
  unitRetryMsMax,
  unitRetryMsMin,
  unitsInParallelMax,
  upcomingUnitsMax,
} from '../limits.ts';
import { noticeHookEnd } from './apply/hooks.ts';
import type { AuditMore, Context, ReconcileLogger } from './context.ts';
import { noticeDrift } from './drift/drift.ts';
import { asUnitError } from './failure.ts';
import { createHealthRules, ownRuleOf } from './live/health-rules.ts';
import { createLiveObjects, type LiveChange } from './live/live-objects.ts';
import { createPodLookBudget } from './live/pods.ts';
import type { LoadTree, OnAudit, OnReport, ReconcileJournal, Render, Trust } from './ports.ts';
import { previewAssignment } from './prepare/preview.ts';
import { createRenderedCache } from './prepare/rendered-cache.ts';
import { createOutlet } from './report/outlet.ts';
import { groupKindsOf, parentText, unitApiVersion, unitKind } from './report/parent.ts';
import { parentOf, writeParent } from './report/parent-writer.ts';
import { reportOf } from './report/report.ts';
import { holdOut, takeTurn } from './turn.ts';
import { createTurns } from './turns.ts';
import { createUnit, takeUpNext, type Unit } from './unit.ts';

export type ReconcilerDependencies = {
  readonly cluster: Cluster;
  readonly loadTree: LoadTree;
  readonly render: Render;
  readonly trust: Trust;
  readonly journal: ReconcileJournal;
  readonly clock: Clock;
  readonly random: Random;
  readonly onReport: OnReport;
  readonly onAudit: OnAudit;
  /** Where the units' own objects live. */
  readonly agentNamespace: string;
  /** Where the agent may work; undefined is the whole cluster. */
  readonly watchNamespaces?: readonly string[];
  readonly signal: AbortSignal;
  readonly logger: ReconcileLogger;
};

export type Reconciler = {
  /** Takes up the units of the journal. Assignments may be offered from then on. */
  readonly start: () => Promise<void>;
  /** Accepts or refuses durably before it returns; the work is done in the background. */
  readonly offer: (assignment: Assignment) => Acceptance;
  readonly assignments: () => readonly Assignment[];
  readonly reports: () => readonly UnitReport[];
  /** Units that are applied, healthy and pruned, and now only watched. */
  readonly settledCount: () => number;
  /** What an assignment would change; it is neither accepted nor kept, and nothing is written. */
  readonly preview: (assignment: Assignment, signal: AbortSignal) => Promise<UnitPlan>;
  /** The next units that wait for their first turn and want other content of the same commit; the cluster permits them. */
  readonly upcoming: (like: Assignment) => Promise<readonly Assignment[]>;
  /** Reports every unit again, for a hub that has forgotten. */
  readonly reportAll: () => void;
  /** Tries again what the cluster's policy or its trusted keys refused, because they have changed. */
  readonly retryRefused: () => void;
  /** No unit has work at hand; those that wait for health or for a person do not count. */
  readonly isIdle: () => boolean;
  /** Resolves when the turns under way have ended, after the signal was aborted. */
  readonly drained: () => Promise<void>;
};

const isRefusal = new Set<AuditKind>(['PolicyRefused', 'SignatureRefused']);
const endPhases = new Set<UnitPhase>(['settled', 'failed', 'prune-held', 'orphaned', 'deleted']);

export function createReconciler(dependencies: ReconcilerDependencies): Reconciler {
  const { cluster, journal, clock, random, signal, logger, agentNamespace } = dependencies;
  const units = new Map<UnitId, Unit>();
  const byApplySet = new Map<string, Unit>();
  const parentKinds = new Map<UnitId, ReturnType<typeof groupKindsOf>>();
  const shownAtStart = new Map<UnitId, string>();

  const turns = createTurns<Unit>({
    inParallelMax: unitsInParallelMax,
    now: clock.now,
    signal,
    take: (unit) => turn(unit),
  });

  const onChange = (change: LiveChange) => {
    const { text, before, after, object } = change;
    for (const partOf of new Set([before?.partOf, after?.partOf])) {
      const unit = partOf === undefined ? undefined : byApplySet.get(partOf);
      if (!unit || unit.assignment.disposition === 'orphan') continue;
      noticeHookEnd(unit, text, before, after);
      const hadDrifted = unit.drifts.has(text);
      const hasDrifted = noticeDrift(context, unit, text, object);
      const isNews =
        hasDrifted ||
        hadDrifted ||
        before?.health !== after?.health ||
        before?.message !== after?.message ||
        before?.finalizers.join() !== after?.finalizers.join() ||
        before?.rivals !== after?.rivals ||
        after === undefined;
      if (!isNews) continue;
      if (after?.health === 'Healthy') unit.podLooks.delete(text);
      const delayMs = Math.min(
        Math.floor((unit.target?.entries.size ?? 0) / unitObjectsLookedAtPerMs),
        unitLookDelayMsMax,
      );
      // What is begun goes before what is new.
      if (hasDrifted || delayMs === 0) turns.wake(unit, hasDrifted || unit.target !== undefined);
      else turns.wakeAt(unit, clock.now() + delayMs);
      outlet.changed(unit, false);
      wakeDependants(unit);
    }
  };

  const wakeDependants = (unit: Unit) => {
    for (const dependant of context.dependants) if (dependant !== unit) turns.wake(dependant);
  };

  const healthRules = createHealthRules();
  const ownRules = ownRuleOf((object) =>
    byApplySet.get(object.metadata.labels?.[partOfLabel] ?? ''),
  );

  const live = createLiveObjects({
    cluster,
    clock,
    namespaces: dependencies.watchNamespaces,
    judge: (object, options) =>
      healthOf(object, { ...options, rules: healthRules.judge, ownRules }),
    judgeReady: healthRules.ready,
    onChange,
    signal,
  });

  const audit = (unit: Unit, kind: AuditKind, message: string, more: AuditMore = {}) => {
    const { generation, commit } = unit.assignment;
    dependencies.onAudit({ unit: unit.id, generation, commit, kind, message, ...more });
  };

  const context: Context = {
    cluster,
    ownCluster: cluster,
    live,
    journal,
    clock,
    random,
    loadTree: dependencies.loadTree,
    render: dependencies.render,
    trust: dependencies.trust,
    watchNamespaces: dependencies.watchNamespaces,
    agentNamespace,
    rendered: createRenderedCache(),
    claims: new Map(),
    units,
    dependants: new Set(),
    parentKinds,
    healthRules,
    mayLookAtPods: createPodLookBudget(clock.now),
    logger,
    audit,
    setPhase: (unit, phase, message = '') => {
      if (unit.phase === phase && unit.message === message) return;
      const isUrgent = unit.phase !== phase && endPhases.has(phase);
      unit.phase = phase;
      unit.message = message;
      if (phase !== 'failed') unit.terminal = false;
      outlet.changed(unit, isUrgent);
    },
    wakeAt: turns.wakeAt,
  };

  const outlet = createOutlet({
    now: clock.now,
    reportOf: (unit) => reportOf(unit, live),
    onReport: (report) => {
      const unit = units.get(report.unit);
      if (unit) auditHealth(unit, report, audit);
      dependencies.onReport(report);
    },
    shownOf: (unit, report) => parentText(parentOf(unit, agentNamespace, report)),
    shownAtStart: (unit) => shownAtStart.get(unit.id) ?? '',
    show: (unit, report) => writeParent(context, unit, report),
    isBusy: () => !turns.isIdle(),
    isCrowded: turns.isCrowded,
    signal,
  });

  const turn = async (unit: Unit): Promise<void> => {
    takeUpNext(unit);
    const { work, phase: phaseBefore } = unit;
    const mayTry = clock.now() >= unit.retryAtMs;
    try {
      await (mayTry ? takeTurn(context, unit) : holdOut(context, unit));
      if (work.signal.aborted) return;
      if (mayTry) {
        unit.failures = 0;
        unit.lastFailure = '';
      }
      outlet.changed(unit, false);
    } catch (error) {
      // A newer assignment has woken the unit already, and an end of the program needs no words.
      if (work.signal.aborted || signal.aborted) return;
      fail(unit, error);
    } finally {
      if (unit.phase === 'settled' || unit.phase !== phaseBefore) wakeDependants(unit);
    }
  };

  const fail = (unit: Unit, error: unknown) => {
    const failure = asUnitError(error);
    unit.failures++;
    unit.terminal = failure.terminal;
    unit.isRefused = isRefusal.has(failure.audit);
    if (unit.lastFailure !== failure.message) {
      unit.lastFailure = failure.message;
      audit(unit, failure.audit, failure.message, failure.object ? { object: failure.object } : {});
      logger.warn({ unit: unit.id, reason: failure.message }, 'the unit has failed');
    }
    context.setPhase(unit, 'failed', failure.message);
    const steps = failure.terminal ? Number.POSITIVE_INFINITY : unit.failures - 1;
    const pauseMs = Math.min(unitRetryMsMin * 2 ** steps, unitRetryMsMax);
    unit.retryAtMs = clock.now() + pauseMs * (0.75 + random.nextFraction() / 2);
    turns.wakeAt(unit, unit.retryAtMs);
  };

  const add = (assignment: Assignment): Unit => {
    const id = unitIdOf(assignment);
    const unit = createUnit(assignment, agentNamespace, journal.loadInventory(id));
    units.set(id, unit);
    byApplySet.set(unit.owner.applySetId, unit);
    return unit;
  };

  const accept = (assignment: Assignment) => {
    journal.saveAssignment(assignment);
    const id = unitIdOf(assignment);
    const known = units.get(id);
    if (known) {
      known.next = assignment;
      known.work.abort(new Error('a newer assignment came'));
    }
    const { epoch, generation, commit, disposition } = assignment;
    dependencies.onAudit({
      unit: id,
      generation,
      commit,
      kind: 'AssignmentAccepted',
      message: `generation ${generation} was accepted`,
      details: { epoch, disposition },
    });
    const unit = known ?? add(assignment);
    turns.wake(unit);
    wakeDependants(unit);
  };

  return {
    start: async () => {
      try {
        for (const parent of await readParents(cluster, agentNamespace)) {
          const id = parent.metadata.name.replace('.', '/') as UnitId;
          parentKinds.set(id, groupKindsOf(parent));
          shownAtStart.set(id, parentText(parent));
        }
      } catch (error) {
        // Without them the agent works on; only kinds that a lost journal forgot stay unknown.
        logger.warn({ error: String(error) }, 'the unit objects cannot be read');
      }
      for (const assignment of journal.loadAssignments()) turns.wake(add(assignment));
    },
    offer: (assignment) => {
      const id = unitIdOf(assignment);
      const unit = units.get(id);
      const held = unit?.next ?? unit?.assignment;
      const acceptance = acceptAssignment(held, assignment, journal.acceptedEpoch());
      if (acceptance.kind === 'accept') accept(assignment);
      if (acceptance.kind === 'refuse') {
        const { generation, commit } = assignment;
        const message = `generation ${generation} was refused: ${acceptance.reason}`;
        dependencies.onAudit({ unit: id, generation, commit, kind: 'AssignmentRefused', message });
      }
      return acceptance;
    },
    assignments: () => [...units.values()].map((unit) => unit.next ?? unit.assignment),
    reports: () => [...units.values()].map((unit) => reportOf(unit, live)),
    settledCount: () => {
      let settled = 0;
      for (const { phase } of units.values()) settled += Number(phase === 'settled');
      return settled;
    },
    reportAll: () => {
      for (const unit of units.values()) outlet.repeat(unit);
    },
    preview: (assignment, ended) => previewAssignment(context, assignment, ended),
    upcoming: async (like) => {
      const alike: Assignment[] = [];
      for (const unit of turns.waiting()) {
        if (alike.length >= upcomingUnitsMax) break;
        const next = unit.next ?? unit.assignment;
        const isFirst = unit.next !== undefined || unit.phase === 'accepted';
        const isOfCommit = next.repository === like.repository && next.commit === like.commit;
        if (isFirst && isOfCommit && next.root !== like.root && next.disposition === 'run') {
          alike.push(next);
        }
      }
      const permits = await Promise.all(alike.map((one) => dependencies.trust.permit(one)));
      return alike.filter((_, index) => permits[index]?.ok);
    },
    retryRefused: () => {
      for (const unit of units.values()) {
        if (!unit.isRefused) continue;
        unit.retryAtMs = 0;
        turns.wake(unit);
      }
    },
    isIdle: turns.isIdle,
    drained: turns.drained,
  };
}

type Audit = (unit: Unit, kind: AuditKind, message: string) => void;

/** A unit's first health after it settled, and every turn of it from then on, is a fact for the log. */
function auditHealth(unit: Unit, report: UnitReport, audit: Audit): void {
  if (report.phase === 'settled' && report.health === 'Healthy') {
    if (unit.wasHealthy === true) return;
    unit.wasHealthy = true;
    audit(unit, 'UnitHealthy', `${report.objectsTotal} objects are healthy`);
  } else if (report.health === 'Degraded' && unit.wasHealthy !== false) {
    unit.wasHealthy = false;
    audit(unit, 'UnitDegraded', report.message);
  }
}

const readParents = (cluster: Cluster, namespace: string): Promise<readonly KubernetesObject[]> =>
  cluster.list(unitApiVersion, unitKind, { namespace });

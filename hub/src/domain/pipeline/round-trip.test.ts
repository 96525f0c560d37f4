import type { PipelineName, ProjectName, RepositoryName, StageName } from '@fairlead/shared/ids';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import type {
  Amount,
  ApprovalPolicy,
  GatePolicy,
  MetricRule,
  PipelineDefinition,
  RolloutPolicy,
  StageDefinition,
  VerificationRule,
  WindowRule,
} from './definition.ts';
import { parseResources, resourceDocument } from './index.ts';
import { bypassableGates } from './names.ts';
import { parsePipelineSpec } from './parse-pipeline.ts';

vi.setConfig({ testTimeout: 60_000 });

// Any definition that the parser may make.

const name = <Name extends string>() =>
  fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/) as fc.Arbitrary<Name>;
const text = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const word = fc.stringMatching(/^[A-Za-z]([-\w.]{0,14}[A-Za-z0-9])?$/);
const duration = (minMs: number, maxMs = 366 * 86_400_000) =>
  fc.integer({ min: minMs, max: maxMs });
const path = fc
  .array(fc.stringMatching(/^[A-Za-z0-9][-\w]{0,10}$/), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'));
const glob = path.map((folder) => `${folder}/**`);
const labels = fc.dictionary(word, fc.constantFrom('a', 'b', 'true', '1', 'null', ''), {
  minKeys: 1,
  maxKeys: 3,
});
const people = fc.uniqueArray(
  fc.tuple(fc.constantFrom('group:', 'user:'), word).map((parts) => parts.join('')),
  { maxLength: 3 },
);
const gateNames = fc.subarray([...bypassableGates]);
const amount = (min: number): fc.Arbitrary<Amount> =>
  fc.oneof(
    fc.integer({ min, max: 100_000 }).map((count) => ({ count })),
    fc.integer({ min, max: 100 }).map((percent) => ({ percent })),
  );
const url = fc.constantFrom('http://prometheus:9090', 'https://m.example.com/api/v1?a=b#c');
/** Whatever is optional is there or not there, never `undefined`. */
const optional = <Value extends object>(
  arbitraries: {
    [Key in keyof Value]: fc.Arbitrary<Value[Key]>;
  },
) => fc.record(arbitraries, { requiredKeys: [] }) as fc.Arbitrary<Partial<Value>>;

const distinct = <Rule extends { readonly name: string }>(rule: fc.Arbitrary<Rule>) =>
  fc.uniqueArray(rule, { maxLength: 3, selector: ({ name: each }) => each });

const approvals: fc.Arbitrary<ApprovalPolicy> = fc
  .record({
    required: fc.integer({ min: 1, max: 50 }),
    from: people,
    including: people,
    excludeAuthor: fc.boolean(),
    excludeRequester: fc.boolean(),
    expiresAfterMs: duration(0),
    strict: fc.boolean(),
    recheckVoters: fc.boolean(),
  })
  .map((policy) => ({ ...policy, from: ['group:any', ...policy.from] }));

const windowRule: fc.Arbitrary<WindowRule> = fc.record({
  name: name<string>(),
  effect: fc.constantFrom('allow', 'deny'),
  schedule: fc.constantFrom<WindowRule['schedule']>(
    { kind: 'rrule', text: 'FREQ=WEEKLY;BYDAY=SA,SU' },
    { kind: 'rrule', text: 'FREQ=MONTHLY;INTERVAL=2;BYDAY=1MO;BYHOUR=9' },
    { kind: 'cron', text: '0 22 * * 1-5' },
  ),
  startsAt: fc.constantFrom('2026-02-28T09:30:00', '2024-02-29T00:00:59'),
  durationMs: duration(60_000, 31 * 86_400_000),
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns'),
  running: fc.constantFrom('drain', 'finish', 'must-fit'),
});

/** A cron expression counts from nothing. */
const windowOf = (rule: WindowRule): WindowRule =>
  rule.schedule.kind === 'cron' ? { ...rule, startsAt: '2024-01-01T00:00:00' } : rule;

const verificationRule: fc.Arbitrary<Omit<VerificationRule, 'in'>> = fc.record({
  name: name<string>(),
  job: path,
  timeoutMs: duration(1_000, 86_400_000),
  clusters: fc.constantFrom('one', 'all'),
});

const metricRule: fc.Arbitrary<MetricRule> = fc
  .record({
    name: name<string>(),
    source: fc.oneof(
      fc.record({ kind: fc.constant('prometheus' as const), url, query: text }),
      fc.record({
        kind: fc.constant('http' as const),
        url,
        jsonPointer: fc.constantFrom('', '/', '/a/0', '/a~1b/~0'),
      }),
    ),
    condition: fc.record({
      kind: fc.constantFrom('fail-if' as const, 'pass-if' as const),
      operator: fc.constantFrom('<', '<=', '>', '>=', '==', '!='),
      threshold: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    }),
    intervalMs: duration(5_000, 86_400_000),
    samples: fc.integer({ min: 1, max: 300 }),
    failureLimit: fc.integer({ min: 0, max: 1_000 }),
    noData: fc.constantFrom('inconclusive', 'pass', 'fail'),
    more: optional<Pick<MetricRule, 'credentialsSecretName'> & object>({
      credentialsSecretName: name<string>(),
    }),
  })
  .map(({ samples, more, ...rule }) => ({ ...rule, ...more, forMs: rule.intervalMs * samples }));

const gates: fc.Arbitrary<GatePolicy> = fc
  .record({
    soakMs: duration(1),
    soakUnhealthy: fc.constantFrom<GatePolicy['soakUnhealthy']>('reset', 'pause'),
    soakUnknown: fc.constantFrom<GatePolicy['soakUnknown']>('reset', 'pause'),
    windows: distinct(windowRule.map(windowOf)),
    verifications: distinct(verificationRule).map((rules) =>
      rules.map((rule): VerificationRule => ({ ...rule, in: [] })),
    ),
    metrics: distinct(metricRule),
    statuses: fc.uniqueArray(
      text.filter((status) => status === status.trim() && !/\p{Cc}/u.test(status)),
      { maxLength: 3 },
    ),
    more: optional<{ approvals: ApprovalPolicy }>({ approvals }),
  })
  .map(({ more, ...policy }) => ({ ...policy, ...more }));

const rollout: fc.Arbitrary<RolloutPolicy> = fc
  .record({
    labelWave: fc.boolean(),
    sizes: fc.array(amount(1), { maxLength: 3 }),
    uncovered: fc.constantFrom<RolloutPolicy['uncovered']>('last-wave', 'refuse'),
    maxFailures: amount(0),
    minHealthyMs: duration(0, 999),
    progressDeadlineMs: duration(1_000),
    offline: fc.constantFrom<RolloutPolicy['offline']>('wait', 'skip-and-catch-up', 'fail'),
    lateJoin: fc.constantFrom<RolloutPolicy['lateJoin']>('current', 'append'),
    onFailure: fc.constantFrom<RolloutPolicy['onFailure']>(
      'pause',
      'rollback-failed',
      'rollback-wave',
      'rollback',
    ),
    retries: fc.record({ limit: fc.integer({ min: 0, max: 20 }), backoffMs: duration(1_000) }),
    suspended: fc.constantFrom<RolloutPolicy['suspended']>('progressing', 'healthy', 'failed'),
    more: optional<{ maxConcurrent: Amount }>({ maxConcurrent: amount(1) }),
  })
  .map(({ labelWave, sizes, more, ...policy }) => ({
    ...policy,
    ...more,
    waves: [
      ...(labelWave ? [{ kind: 'labels' as const, matchLabels: { 'wave-of': 'first' } }] : []),
      ...sizes
        .filter((max) => !('percent' in max && max.percent === 100))
        .map((max) => ({ kind: 'size' as const, max })),
    ],
  }));

const stage: fc.Arbitrary<StageDefinition> = fc
  .record({
    name: name<StageName>(),
    path: fc.oneof(path, fc.constant(''), fc.constant('clusters/${cluster.name}')),
    concernedBy: fc.array(glob, { maxLength: 2 }),
    promote: fc.constantFrom<StageDefinition['promote']>('automatic', 'manual'),
    supersede: fc.oneof(
      fc.record({
        mode: fc.constantFrom('latest' as const, 'finish-current' as const),
        soaks: fc.constant(0),
        interrupt: fc.boolean(),
      }),
      fc.record({
        mode: fc.constant('latest-after' as const),
        soaks: fc.integer({ min: 1, max: 100 }),
        interrupt: fc.boolean(),
      }),
    ),
    backfill: fc.boolean(),
    holdAfterRollback: fc.constantFrom<StageDefinition['holdAfterRollback']>(
      'until-resumed',
      'until-newer-release',
    ),
    gates,
    rollout,
    render: fc
      .record({
        releaseName: name<string>(),
        values: fc.dictionary(word, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2 }),
        more: optional<{ substitution: Record<string, string>; sopsSecretName: string }>({
          substitution: fc.dictionary(fc.stringMatching(/^[A-Za-z_]\w{0,9}$/), text, {
            maxKeys: 2,
          }),
          sopsSecretName: name<string>(),
        }),
      })
      .map(({ releaseName, values, more }) => ({
        helm: { releaseName, valuesFiles: ['values.yaml'], values },
        ...more,
      })),
    apply: fc
      .record({
        namespace: name<string>(),
        createNamespace: fc.boolean(),
        prune: fc.boolean(),
        drift: fc.constantFrom<'repair' | 'report'>('repair', 'report'),
        adopt: fc.constantFrom<'if-unowned' | 'if-equal' | 'always'>('if-unowned', 'always'),
        deletionBudget: fc.record({
          objectsMax: fc.integer({ min: 0, max: 20_000 }),
          percentMax: fc.integer({ min: 0, max: 100 }),
        }),
        conflicts: fc.constantFrom<'fail' | 'take' | 'leave'>('fail', 'take', 'leave'),
        dependsOn: fc.uniqueArray(name<PipelineName>(), { maxLength: 2 }),
        more: optional<{ serviceAccountName: string }>({ serviceAccountName: name<string>() }),
      })
      .map(({ more, ...policy }) => ({
        ...policy,
        ...more,
        ignoreDifferences: [],
        healthChecks: [],
      })),
    more: optional<Pick<Required<StageDefinition>, 'hotfix' | 'clusters'>>({
      clusters: labels.map((matchLabels) => ({ matchLabels })),
      hotfix: fc.record({
        mayBypass: gateNames.filter((names) => names.length > 0),
        from: people,
      }),
    }),
  })
  .map(({ more, ...definition }) => ({ ...definition, ...more, after: [], afterMode: 'all' }));

const pipelineArbitrary: fc.Arbitrary<PipelineDefinition> = fc
  .record({
    name: name<PipelineName>(),
    project: name<ProjectName>(),
    repository: name<RepositoryName>(),
    include: fc.array(glob, { minLength: 1, maxLength: 2 }),
    exclude: fc.array(glob, { maxLength: 2 }),
    releases: fc.record({
      quietPeriodMs: duration(0),
      mustMatch: fc.array(
        fc.record({
          paths: fc.uniqueArray(path, { minLength: 2, maxLength: 3 }),
          pattern: fc.constantFrom('^tag: (.*)$', '(?<version>\\d+)', '(a|b)(c)'),
        }),
        { maxLength: 2 },
      ),
      revertBypasses: gateNames,
    }),
    stages: fc.uniqueArray(stage, {
      minLength: 1,
      maxLength: 4,
      selector: ({ name: each }) => each,
    }),
    /** Which stages each comes after, as bits, and whether any of them is enough. */
    edges: fc.array(fc.tuple(fc.nat({ max: 15 }), fc.boolean()), { minLength: 4, maxLength: 4 }),
  })
  .map(({ stages, edges, ...definition }) => ({
    ...definition,
    stages: stages.map((each, index) => {
      const [bits, any] = edges[index] ?? [0, false];
      const earlier = stages.slice(0, index).filter((_, place) => ((bits >> place) & 1) === 1);
      return connect(each, earlier, any);
    }),
  }));

function connect(
  stage: StageDefinition,
  earlier: readonly StageDefinition[],
  any: boolean,
): StageDefinition {
  const after = earlier.map(({ name: each }) => each);
  const runner = earlier.find(({ clusters }) => clusters !== undefined)?.name;
  const verifications = runner
    ? stage.gates.verifications.map((rule, index) => ({ ...rule, in: index === 0 ? [] : [runner] }))
    : [];
  const connected: StageDefinition = {
    ...stage,
    after,
    afterMode: any && after.length > 0 ? 'any' : 'all',
    gates: { ...stage.gates, verifications },
  };
  return connected;
}

/** What a stage without clusters cannot say has its default. */
function withControlDefaults(definition: PipelineDefinition): PipelineDefinition {
  const { name, project } = definition;
  const value = { repository: 'x', stages: [{ name: 'control' }] };
  const empty = parsePipelineSpec({ value, path: '', faults: [] }, { name, project }).stages[0];
  return {
    ...definition,
    stages: definition.stages.map((stage) => {
      if (stage.clusters !== undefined || empty === undefined) return stage;
      const { path, concernedBy, rollout, render, apply } = empty;
      return { ...stage, path, concernedBy, rollout, render, apply };
    }),
  };
}

// Cloned, because generated objects may have no prototype.
const anyDefinition = pipelineArbitrary
  .map(withControlDefaults)
  .map(structuredClone<PipelineDefinition>);

test('every definition is read back from its document as it was', () => {
  fc.assert(
    fc.property(anyDefinition, (definition) => {
      const text = stringify(resourceDocument({ kind: 'Pipeline', definition }));
      expect(parseResources(text)).toStrictEqual({
        ok: true,
        value: [{ kind: 'Pipeline', definition }],
      });
    }),
    { numRuns: 80 },
  );
});

test('a document says every default, so that a later version reads it with the same meaning', () => {
  const [definition] = fc.sample(
    pipelineArbitrary.filter(({ stages }) => stages.some(({ clusters }) => clusters !== undefined)),
    { numRuns: 1, seed: 1 },
  );
  const document = JSON.stringify(
    resourceDocument({ kind: 'Pipeline', definition: definition as PipelineDefinition }),
  );
  const keys =
    'soak unhealthy unknown windows verifications metrics statuses waves uncovered maxFailures minHealthy \
progressDeadline offline lateJoin onFailure retries suspended supersede backfill holdAfterRollback releases concernedBy';
  for (const key of keys.split(/\s+/)) expect(document).toContain(`"${key}":`);
});

import { describe, expect, it } from 'vitest';
import type { PipelineDefinition, StageDefinition } from './definition.ts';
import { parseResources } from './index.ts';

/** `staging`, then `production` with the given lines. */
const withStage = (...lines: string[]) => `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  stages:
  - {name: staging, path: staging, clusters: {matchLabels: {environment: staging}}}
  - name: production
    after: [staging]
    path: production
    clusters: {matchLabels: {environment: production}}
    ${lines.join('\n    ')}
`;

const withStages = (...stages: string[]) => `
apiVersion: fairlead.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  repository: environments
  stages:
${stages.map((stage) => `  - ${stage}`).join('\n')}
`;

function read(text: string): PipelineDefinition {
  const parsed = parseResources(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error, null, 1));
  const [resource] = parsed.value;
  if (resource?.kind !== 'Pipeline') throw new Error('no pipeline');
  return resource.definition;
}

const stage = (...lines: string[]) => read(withStage(...lines)).stages[1] as StageDefinition;

const faults = (text: string): string[] => {
  const parsed = parseResources(text);
  return parsed.ok
    ? []
    : parsed.error.map(({ path, message }) =>
        `${path}: ${message}`.replace(/^Pipeline shop: spec\.(stages\[1\]\.)?/, ''),
      );
};
const stageFaults = (...lines: string[]) => faults(withStage(...lines));

describe('the order of stages', () => {
  const place = (name: string) => `path: ${name}, clusters: {matchLabels: {stage: ${name}}}`;
  const a = `{name: a, ${place('a')}}`;
  const b = `{name: b, ${place('b')}}`;

  it('CFG-01: two roots are two ways in, joined by all or by any', () => {
    const after = (text: string) =>
      read(withStages(a, b, `{name: c, after: ${text}, ${place('c')}}`)).stages[2];
    expect(after('[a, b]')).toMatchObject({ after: ['a', 'b'], afterMode: 'all' });
    expect(after('{all: [a, b]}')).toMatchObject({ after: ['a', 'b'], afterMode: 'all' });
    expect(after('{any: [a, b]}')).toMatchObject({ after: ['a', 'b'], afterMode: 'any' });
  });

  it('refuses what is neither, and finds a cycle through any', () => {
    const after = (text: string) =>
      faults(withStages(a, `{name: b, after: ${text}, ${place('b')}}`));
    const message = 'after: must be a list of stages, or have either any or all with such a list';
    expect(after('{any: []}')).toEqual([message]);
    expect(after('{any: [a], all: [a]}')).toEqual([message]);
    expect(after('a')).toEqual(['after: must be a mapping']);
    expect(after('{any: [b, c]}')).toEqual([
      'after[0]: names the stage itself',
      'after[1]: there is no stage c',
    ]);
    expect(
      faults(
        withStages(
          `{name: a, after: {any: [b]}, ${place('a')}}`,
          `{name: b, after: [a], ${place('b')}}`,
        ),
      ),
    ).toEqual(['stages[0].after: is a cycle: a → after b → after a']);
  });

  it('CFG-05: takes 500 stages, and no more', () => {
    const stages = Array.from(
      { length: 501 },
      (_, index) =>
        `{name: s${index}, ${index > 0 ? `after: [s${index - 1}],` : ''} ${place(`s${index}`)}}`,
    );
    expect(read(withStages(...stages.slice(0, 500))).stages).toHaveLength(500);
    expect(faults(withStages(...stages))).toContain('stages: may have at most 500 entries');
  });

  it('a stage without clusters is a control stage, and has nothing of a rollout', () => {
    const control = read(withStages(a, '{name: gate, after: [a], gates: {soak: 1h}}')).stages[1];
    expect(control).toMatchObject({ path: '', gates: { soakMs: 3_600_000 } });
    expect(control).not.toHaveProperty('clusters');
    const wrong = '{name: gate, path: x, rollout: {waves: []}, render: {}, apply: {prune: true}}';
    const message = 'is not for a stage without clusters: name its clusters, or leave it away';
    expect(faults(withStages(a, wrong))).toEqual(
      ['path', 'rollout', 'render', 'apply'].map((key) => `${key}: ${message}`),
    );
  });
});

describe('what becomes of a waiting release', () => {
  it('SOAK-01: is said by a mode, or a mapping with the mode', () => {
    const supersede = (text: string) => stage(`supersede: ${text}`, 'gates: {soak: 1h}').supersede;
    expect(stage().supersede).toEqual({ mode: 'latest', soaks: 0, interrupt: false });
    expect(supersede('finish-current')).toMatchObject({ mode: 'finish-current', soaks: 0 });
    expect(supersede('{mode: latest-after, soaks: 3, interrupt: true}')).toEqual({
      mode: 'latest-after',
      soaks: 3,
      interrupt: true,
    });
  });

  it('tells how latest-after is written', () => {
    expect(stageFaults('supersede: latest-after', 'gates: {soak: 1h}')).toEqual([
      'supersede.soaks: is missing: write supersede: {mode: latest-after, soaks: 3}',
    ]);
    expect(stageFaults('supersede: {mode: latest, soaks: 3}')).toEqual([
      'supersede.soaks: is for the mode latest-after only',
    ]);
    expect(stageFaults('supersede: {mode: latest-after, soaks: 0}')).toEqual([
      'supersede.soaks: must be a whole number from 1 to 100',
      'supersede: counts in soaks: give the stage a soak under gates',
    ]);
  });

  it('RB-02: a rollback’s hold and a hotfix have their policies', () => {
    expect(
      stage(
        'holdAfterRollback: until-newer-release',
        'backfill: true',
        'hotfix: {mayBypass: [soak, approval], from: [group:on-call]}',
      ),
    ).toMatchObject({
      holdAfterRollback: 'until-newer-release',
      backfill: true,
      hotfix: { mayBypass: ['soak', 'approval'], from: ['group:on-call'] },
    });
    expect(stageFaults('hotfix: {mayBypass: [freeze, soak, soak, manul], from: [alice]}')).toEqual([
      'hotfix.mayBypass[0]: cannot be bypassed: freezes are ended by a command of their own',
      'hotfix.mayBypass[2]: repeats soak',
      'hotfix.mayBypass[3]: must be one of order, health, soak, approval, window, verification, metric, status',
      'hotfix.from[0]: must be group:<name> or user:<name>',
    ]);
    expect(stageFaults('hotfix: {}')).toEqual(['hotfix.mayBypass: must name at least one gate']);
  });
});

describe('gates', () => {
  it('a soak is a duration, or says what an unhealthy or unknown time does', () => {
    expect(stage('gates: {soak: 30m}').gates).toMatchObject({
      soakMs: 1_800_000,
      soakUnhealthy: 'reset',
      soakUnknown: 'pause',
    });
    expect(
      stage('gates: {soak: {duration: 1h, unhealthy: pause, unknown: reset}}').gates,
    ).toMatchObject({ soakMs: 3_600_000, soakUnhealthy: 'pause', soakUnknown: 'reset' });
    expect(stageFaults('gates: {soak: {unhealthy: pase}}')).toEqual([
      'gates.soak.duration: is missing',
      'gates.soak.unhealthy: must be one of reset, pause; did you mean pause?',
    ]);
    expect(stageFaults('gates: {soak: soon}')).toEqual([
      'gates.soak: must be a duration such as 90s, 30m, 1h30m or 7d',
    ]);
  });

  it('GATE-03: approvals say how many, from whom, and who does not count', () => {
    expect(stage('gates: {approvals: {}}').gates.approvals).toEqual({
      required: 1,
      from: [],
      including: [],
      excludeAuthor: false,
      excludeRequester: false,
      expiresAfterMs: 0,
      strict: false,
      recheckVoters: true,
    });
    expect(stage().gates).not.toHaveProperty('approvals');
    expect(
      stage(
        'gates: {approvals: {required: 2, from: [group:release-managers], including: [user:alice], excludeAuthor: true, expiresAfter: 24h, strict: true, recheckVoters: false}}',
      ).gates.approvals,
    ).toMatchObject({
      required: 2,
      from: ['group:release-managers'],
      including: ['user:alice'],
      excludeAuthor: true,
      expiresAfterMs: 86_400_000,
      strict: true,
      recheckVoters: false,
    });
    expect(
      stageFaults('gates: {approvals: {required: 0, from: [team:a, group:b, group:b]}}'),
    ).toEqual([
      'gates.approvals.required: must be a whole number from 1 to 50',
      'gates.approvals.from[0]: must be group:<name> or user:<name>',
      'gates.approvals.from[2]: repeats group:b',
    ]);
    expect(stageFaults('gates: {approvals: {required: 2, from: [user:alice]}}')).toEqual([
      'gates.approvals.from: names fewer people than the 2 whose approval is required',
    ]);
  });

  it('a window recurs by a rule or a cron expression, in a time zone', () => {
    const windows = stage(
      'gates:',
      '  windows:',
      '  - {deny: {schedule: "FREQ=WEEKLY;BYDAY=SA,SU", duration: 24h, timeZone: Europe/Berlin}}',
      '  - {name: office, allow: {schedule: "0 9 * * 1-5", duration: 8h}, running: must-fit}',
      '  - {deny: {schedule: "FREQ=YEARLY", startsAt: 2026-12-24T12:00, duration: 4d}}',
    ).gates.windows;
    expect(windows).toMatchObject([
      {
        name: 'deny-1',
        effect: 'deny',
        schedule: { kind: 'rrule', text: 'FREQ=WEEKLY;BYDAY=SA,SU' },
        startsAt: '2024-01-01T00:00:00',
        durationMs: 86_400_000,
        timeZone: 'Europe/Berlin',
        running: 'drain',
      },
      {
        name: 'office',
        effect: 'allow',
        schedule: { kind: 'cron', text: '0 9 * * 1-5' },
        timeZone: 'UTC',
        running: 'must-fit',
      },
      { name: 'deny-3', startsAt: '2026-12-24T12:00:00', durationMs: 345_600_000 },
    ]);
  });

  it('WIN-05: a window that cannot be computed is refused with its place', () => {
    const windows = (...entries: string[]) =>
      stageFaults('gates:', '  windows:', ...entries.map((entry) => `  - ${entry}`)).map((text) =>
        text.replace('gates.windows', ''),
      );
    expect(
      windows(
        '{deny: {schedule: "FREQ=WEEKLY;BYDAY=SA", duration: 24h, timeZone: Europe/Berln}}',
        '{deny: {schedule: "FREQ=WEEKLY", duration: 24h, timeZone: "+01:00"}}',
        '{deny: {schedule: "FREQ=SOMETIMES", duration: 24h}}',
        '{allow: {schedule: "0 9 * *", duration: 24h}}',
        '{allow: {schedule: "FREQ=DAILY", startsAt: 2026-02-30T00:00:00, duration: 1h}}',
        '{allow: {schedule: "FREQ=DAILY;INTERVAL=2", duration: 32d}}',
        '{allow: {schedule: "FREQ=DAILY"}, deny: {schedule: "FREQ=DAILY"}}',
        '{name: twice, allow: {schedule: "0 9 * * *", duration: 1s}}',
        '{name: twice, allow: {schedule: "0 9 * * *", startsAt: 2026-01-01T00:00, duration: 1h}}',
        '{allow: {schedule: "FREQ=DAILY"}}',
      ),
    ).toEqual([
      '[0].deny.timeZone: is no zone of the IANA time zone database, such as Europe/Berlin or UTC',
      '[1].deny.timeZone: is no zone of the IANA time zone database, such as Europe/Berlin or UTC',
      expect.stringMatching(/^\[2\]\.deny\.schedule: /),
      expect.stringMatching(/^\[3\]\.allow\.schedule: /),
      '[4].allow.startsAt: must be a local date and time such as 2026-01-01T00:00:00',
      '[5].allow.startsAt: is missing: INTERVAL and COUNT count from it',
      '[5].allow.duration: must be at most 31d',
      '[6]: must have either allow or deny, with schedule and duration',
      '[7].allow.duration: must be at least 60s',
      '[8].allow.startsAt: is for a recurrence rule: a cron expression counts from nothing',
      '[9].allow.duration: is missing',
      '[8].name: repeats twice',
    ]);
  });

  it('so many different schedules that to follow them takes long are refused', () => {
    const windows = (count: number) =>
      Array.from(
        { length: count },
        (_, index) =>
          `{deny: {schedule: "${index % 60} ${Math.floor(index / 60)} * * *", duration: 1h}}`,
      );
    const stages = [0, 1, 2, 3, 4].map(
      (index) =>
        `{name: s${index}, gates: {windows: [${windows(250)
          .slice(index * 50, index * 50 + 50)
          .join(', ')}]}}`,
    );
    expect(faults(withStages(...stages.slice(0, 4)))).toEqual([]);
    expect(faults(withStages(...stages))[0]).toMatch(/more than 200 different schedules/);
    // The same ones again are no others.
    expect(
      faults(
        withStages(
          ...stages.slice(0, 4),
          `{name: s9, gates: {windows: [${windows(50).join(', ')}]}}`,
        ),
      ),
    ).toEqual([]);
  });

  it('a verification is a Job of the repository, run where the release has been', () => {
    expect(
      stage('gates: {verifications: [{name: smoke, job: ./verify/smoke.yaml}]}').gates
        .verifications,
    ).toEqual([
      { name: 'smoke', job: 'verify/smoke.yaml', timeoutMs: 600_000, in: [], clusters: 'one' },
    ]);
    const rules = (text: string) => stageFaults(`gates: {verifications: [${text}]}`);
    expect(rules('{name: smoke, job: smoke.yaml, in: [staging, production]}')).toEqual([]);
    expect(
      rules('{name: smoke, job: ../smoke.yaml, in: [stagin]}, {job: "${cluster.name}.yaml"}'),
    ).toEqual([
      'gates.verifications[0].job: must not leave the repository with ".."',
      'gates.verifications[1].job: may not use ${…}: the file is the same for every cluster',
      'gates.verifications[1].name: is missing',
      'gates.verifications[0].in[0]: there is no stage stagin',
    ]);
    const place = 'path: x, clusters: {matchLabels: {a: b}}';
    const verifications = (names: string) =>
      `gates: {verifications: [{name: smoke, job: smoke.yaml${names}}]}`;
    expect(
      faults(
        withStages(
          `{name: first, ${place}, ${verifications('')}}`,
          `{name: second, after: [gate], ${place}, ${verifications(', in: [gate, third]')}}`,
          '{name: gate, after: [first]}',
          `{name: third, ${place}}`,
          `{name: fourth, after: [second], ${place}, ${verifications(', in: [first]')}}`,
        ),
      ),
    ).toEqual([
      'stages[0].gates.verifications[0].in: is missing: no stage with clusters comes before this one to run the Job in',
      'gates.verifications[0].in[0]: gate has no clusters to run the Job in',
      'gates.verifications[0].in[1]: third does not come before this stage: the release need not be there',
    ]);
  });

  it('a metric names its source and what fails or passes it', () => {
    const [rule, other] = stage(
      'gates:',
      '  metrics:',
      '  - {name: errors, prometheus: {url: "http://prometheus:9090", query: "sum(x)"}, credentials: {secretRef: prom}, failIf: "result > 0.01", interval: 1m, for: 10m, failureLimit: 2}',
      '  - {name: load, http: {url: "https://m.example.com/load", json: /data/0/value}, passIf: "result<=-1e3", noData: pass}',
    ).gates.metrics;
    expect(rule).toEqual({
      name: 'errors',
      source: { kind: 'prometheus', url: 'http://prometheus:9090', query: 'sum(x)' },
      credentialsSecretName: 'prom',
      condition: { kind: 'fail-if', operator: '>', threshold: 0.01 },
      intervalMs: 60_000,
      forMs: 600_000,
      failureLimit: 2,
      noData: 'inconclusive',
    });
    expect(other).toMatchObject({
      source: { kind: 'http', jsonPointer: '/data/0/value' },
      condition: { kind: 'pass-if', operator: '<=', threshold: -1_000 },
      noData: 'pass',
    });
    const metrics = (text: string) =>
      stageFaults(`gates: {metrics: [${text}]}`).map((each) => each.replace('gates.metrics', ''));
    expect(
      metrics(
        '{name: a}, {name: a, http: {url: "ftp://x", json: data}, failIf: "x > 1"}, ' +
          '{name: c, http: {url: "https://u:p@x", json: /a}, passIf: "result > 1", interval: 1h, for: 1m}',
      ),
    ).toEqual([
      '[0]: must have either prometheus: {url, query} or http: {url, json}',
      '[0]: must have either failIf or passIf, such as failIf: "result > 0.01"',
      '[1].http.json: must be a JSON pointer such as /data/value ("~1" stands for "/")',
      '[1].http.url: must be an address such as https://prometheus.example.com',
      '[1].failIf: must compare the result with a number, such as "result > 0.01"',
      '[2].for: must be at least the interval: no sample would be taken',
      '[2].http.url: must not hold credentials: name a secret with credentials: {secretRef}',
      '[1].name: repeats a',
    ]);
  });

  it('GATE-11: statuses are names that CI posts', () => {
    expect(stage('gates: {statuses: [load-test, "ci/build (arm64)"]}').gates.statuses).toEqual([
      'load-test',
      'ci/build (arm64)',
    ]);
    expect(stageFaults('gates: {statuses: [" a", b, b]}')).toEqual([
      'gates.statuses[0]: must be the name of a status, of at most 200 characters',
      'gates.statuses[2]: repeats b',
    ]);
  });
});

describe('rollouts', () => {
  const rollout = (text: string) => stage(`rollout: {${text}}`).rollout;
  const rolloutFaults = (text: string) =>
    stageFaults(`rollout: {${text}}`).map((each) => each.replace('rollout.', ''));

  it('every policy is read', () => {
    expect(
      rollout(
        'waves: [{matchLabels: {canary: "true"}}, {max: 25%}, {max: 3}], uncovered: refuse, maxConcurrent: 10%, ' +
          'maxFailures: 1, minHealthy: 1m, progressDeadline: 15m, offline: skip-and-catch-up, lateJoin: append, ' +
          'onFailure: rollback, retries: {limit: 2, backoff: 5m}, suspended: failed',
      ),
    ).toEqual({
      waves: [
        { kind: 'labels', matchLabels: { canary: 'true' } },
        { kind: 'size', max: { percent: 25 } },
        { kind: 'size', max: { count: 3 } },
      ],
      uncovered: 'refuse',
      maxConcurrent: { percent: 10 },
      maxFailures: { count: 1 },
      minHealthyMs: 60_000,
      progressDeadlineMs: 900_000,
      offline: 'skip-and-catch-up',
      lateJoin: 'append',
      onFailure: 'rollback',
      retries: { limit: 2, backoffMs: 300_000 },
      suspended: 'failed',
    });
    expect(rollout('')).not.toHaveProperty('maxConcurrent');
  });

  it('FLT-09: an amount is a number or a percentage within its bounds', () => {
    expect(rollout('maxFailures: 0%').maxFailures).toEqual({ percent: 0 });
    expect(
      rolloutFaults('maxConcurrent: 0, maxFailures: 101%, waves: [{max: 2.5}, {max: half}]'),
    ).toEqual([
      'maxConcurrent: must be a whole number from 1, or from 1% to 100%',
      'waves[0].max: must be a whole number from 1, or from 1% to 100%',
      'waves[1].max: must be a whole number from 1, or from 1% to 100%',
      'maxFailures: must be a whole number from 0, or from 0% to 100%',
    ]);
  });

  it('FLT-10: two waves that could claim one cluster are refused', () => {
    expect(
      rolloutFaults('waves: [{matchLabels: {canary: "true"}}, {matchLabels: {region: eu}}]'),
    ).toEqual([
      'waves[1].matchLabels: may match a cluster of waves[0] too: give both one label with different values',
    ]);
    expect(
      rolloutFaults(
        'waves: [{matchLabels: {region: us}}, {max: 1}, {matchLabels: {region: eu}}, {max: 100%}]',
      ),
    ).toEqual([]);
  });

  it('FLT-10: a wave that can have no cluster is refused', () => {
    expect(rolloutFaults('waves: [{matchLabels: {environment: staging}}]')).toEqual([
      'waves[0].matchLabels: matches no cluster of the stage, whose clusters have environment=production',
    ]);
    expect(rolloutFaults('waves: [{max: 100%}, {max: 1}]')).toEqual([
      'waves[0]: takes every target that is left: no wave may follow it',
    ]);
    expect(rolloutFaults('waves: [{}, {max: 1, matchLabels: {a: b}}, {matchLabels: {}}]')).toEqual([
      'waves[0]: must have either matchLabels, or max such as 3 or 25%',
      'waves[1]: must have either matchLabels, or max such as 3 or 25%',
      'waves[2].matchLabels: must name at least one label',
    ]);
  });

  it('FLT-15: a target must be able to succeed before its deadline', () => {
    expect(rolloutFaults('minHealthy: 15m, progressDeadline: 10m')).toEqual([
      'minHealthy: must be shorter than progressDeadline: no target could succeed',
    ]);
  });
});

describe('releases', () => {
  const withReleases = (text: string) =>
    withStage().replace('  stages:', `  releases: {${text}}\n  stages:`);

  it('SRC-10: a quiet period, and values that must be the same', () => {
    expect(
      read(
        withReleases(
          'quietPeriod: 2m, mustMatch: [{paths: [a/values.yaml, b/values.yaml], pattern: "tag: (.*)"}], revertBypasses: [soak]',
        ),
      ).releases,
    ).toEqual({
      quietPeriodMs: 120_000,
      mustMatch: [{ paths: ['a/values.yaml', 'b/values.yaml'], pattern: 'tag: (.*)' }],
      revertBypasses: ['soak'],
    });
    const rule = (pattern: string) =>
      faults(withReleases(`mustMatch: [{paths: [a, b], pattern: '${pattern}'}]`));
    expect(rule('(a')).toEqual(['releases.mustMatch[0].pattern: is no regular expression']);
    expect(rule('a+')).toEqual([
      'releases.mustMatch[0].pattern: must have a group: the value that is compared',
    ]);
    expect(rule('(?<=a)(b)')[0]).toMatch(/must not look around/);
    expect(rule('(a)\\1')[0]).toMatch(/must not refer back/);
    expect(faults(withReleases('mustMatch: [{paths: [a], pattern: (.)}]'))).toEqual([
      'releases.mustMatch[0].paths: must name at least two files to compare',
    ]);
  });
});

import type { StageName } from '@fairlead/shared/ids';
import type { MetricRule, VerificationRule } from './definition.ts';
import * as limits from './limits.ts';
import { checkDistinctNames, readNameOf, readRuleName, readSecretName } from './names.ts';
import { checkPlainPath } from './paths.ts';
import {
  fault,
  isAbsent,
  type Node,
  readChoice,
  readCount,
  readDistinct,
  readDuration,
  readLimitedList,
  readMapping,
  readText,
} from './reader.ts';

const verificationTimeoutMsDefault = 600_000;
const metricIntervalMsDefault = 60_000;
const metricForMsDefault = 600_000;
const pointerPattern = /^(?:\/(?:[^~/]|~[01])*)*$/;
const conditionPattern = /^\s*result\s*(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*$/;

export function parseVerifications(node: Node): VerificationRule[] {
  const nodes = readLimitedList(node, limits.verificationsMax);
  const rules = nodes.map(parseVerification);
  checkDistinctNames(nodes, rules);
  return rules;
}

function parseVerification(node: Node): VerificationRule {
  const at = readMapping(node, { known: ['name', 'job', 'timeout', 'in', 'clusters'] });
  const job = readText(at('job'));
  if (job !== '') checkPlainPath(at('job'), job);
  const timeoutMs = readDuration(at('timeout'), {
    fallbackMs: verificationTimeoutMsDefault,
    minMs: limits.verificationTimeoutMsMin,
  });
  if (timeoutMs > limits.verificationTimeoutMsMax) fault(at('timeout'), 'must be at most 1d');
  return {
    name: readRuleName(at('name')),
    job: job.replace(/^(\.\/)+/, ''),
    timeoutMs,
    in: readDistinct(at('in'), limits.stagesMax, (each) => readNameOf<StageName>(each)),
    clusters: readChoice(at('clusters'), ['one', 'all'], 'one'),
  };
}

export function parseMetrics(node: Node): MetricRule[] {
  const nodes = readLimitedList(node, limits.metricsMax);
  const rules = nodes.map(parseMetric);
  checkDistinctNames(nodes, rules);
  return rules;
}

function parseMetric(node: Node): MetricRule {
  const at = readMapping(node, {
    known: [
      'name',
      'prometheus',
      'http',
      'credentials',
      'failIf',
      'passIf',
      'interval',
      'for',
      'failureLimit',
      'noData',
    ],
  });
  const credentialsSecretName = readSecretName(at('credentials'));
  const intervalMs = readDuration(at('interval'), {
    fallbackMs: metricIntervalMsDefault,
    minMs: limits.metricIntervalMsMin,
  });
  const forMs = readDuration(at('for'), { fallbackMs: Math.max(metricForMsDefault, intervalMs) });
  if (forMs < intervalMs)
    fault(at('for'), 'must be at least the interval: no sample would be taken');
  if (forMs / intervalMs > limits.metricSamplesMax) {
    fault(at('interval'), `is too short: at most ${limits.metricSamplesMax} samples are taken`);
  }
  return {
    name: readRuleName(at('name')),
    source: parseSource(node, at),
    ...(credentialsSecretName === undefined ? {} : { credentialsSecretName }),
    condition: parseCondition(node, at),
    intervalMs,
    forMs,
    failureLimit: readCount(at('failureLimit'), { fallback: 0, max: limits.metricFailuresMax }),
    noData: readChoice(at('noData'), ['inconclusive', 'pass', 'fail'], 'inconclusive'),
  };
}

function parseSource(node: Node, metric: (key: string) => Node): MetricRule['source'] {
  if (isAbsent(metric('prometheus')) === isAbsent(metric('http'))) {
    fault(node, 'must have either prometheus: {url, query} or http: {url, json}');
    return { kind: 'prometheus', url: '', query: '' };
  }
  if (isAbsent(metric('http'))) {
    const at = readMapping(metric('prometheus'), { known: ['url', 'query'] });
    const query = readText(at('query'));
    if (query.length > limits.metricQueryCharactersMax) {
      fault(at('query'), `must have at most ${limits.metricQueryCharactersMax} characters`);
    }
    return { kind: 'prometheus', url: readUrl(at('url')), query };
  }
  const at = readMapping(metric('http'), { known: ['url', 'json'] });
  // RFC 6901: the empty pointer is the whole answer.
  const jsonPointer = at('json').value === '' ? '' : readText(at('json'));
  if (!pointerPattern.test(jsonPointer)) {
    fault(at('json'), 'must be a JSON pointer such as /data/value ("~1" stands for "/")');
  }
  return { kind: 'http', url: readUrl(at('url')), jsonPointer };
}

function parseCondition(node: Node, metric: (key: string) => Node): MetricRule['condition'] {
  const unread = { kind: 'fail-if', operator: '>', threshold: 0 } as const;
  if (isAbsent(metric('failIf')) === isAbsent(metric('passIf'))) {
    fault(node, 'must have either failIf or passIf, such as failIf: "result > 0.01"');
    return unread;
  }
  const kind = isAbsent(metric('failIf')) ? 'pass-if' : 'fail-if';
  const place = metric(kind === 'fail-if' ? 'failIf' : 'passIf');
  const match = conditionPattern.exec(readText(place));
  const threshold = Number(match?.[2]);
  if (match === null || !Number.isFinite(threshold)) {
    fault(place, 'must compare the result with a number, such as "result > 0.01"');
    return unread;
  }
  return {
    kind,
    operator: match[1] as MetricRule['condition']['operator'],
    // Zero has no sign in a definition.
    threshold: threshold + 0,
  };
}

function readUrl(node: Node): string {
  const text = readText(node);
  if (text === '') return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    fault(node, 'must be an address such as https://prometheus.example.com');
  } else if (url.username !== '' || url.password !== '') {
    fault(node, 'must not hold credentials: name a secret with credentials: {secretRef}');
  }
  if (text.length > limits.urlCharactersMax) {
    fault(node, `must have at most ${limits.urlCharactersMax} characters`);
  }
  return text;
}

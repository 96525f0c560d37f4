import { rolloutPolicyDefault } from './defaults.ts';
import type { Amount, RolloutPolicy, WaveRule } from './definition.ts';
import { backoffMsMin, retriesMax, targetsMax, wavesMax } from './limits.ts';
import {
  fault,
  isAbsent,
  type Node,
  readChoice,
  readCount,
  readDuration,
  readLimitedList,
  readMapping,
} from './reader.ts';
import { parseLabels } from './selector.ts';

export function parseRollout(node: Node): RolloutPolicy {
  const at = readMapping(node, {
    known: [
      'waves',
      'uncovered',
      'maxConcurrent',
      'maxFailures',
      'minHealthy',
      'progressDeadline',
      'offline',
      'lateJoin',
      'onFailure',
      'retries',
      'suspended',
    ],
  });
  const fallback = rolloutPolicyDefault;
  const minHealthyMs = readDuration(at('minHealthy'), { fallbackMs: fallback.minHealthyMs });
  const progressDeadlineMs = readDuration(at('progressDeadline'), {
    fallbackMs: fallback.progressDeadlineMs,
    minMs: 1_000,
  });
  if (minHealthyMs >= progressDeadlineMs) {
    fault(at('minHealthy'), 'must be shorter than progressDeadline: no target could succeed');
  }
  const maxConcurrent = readAmount(at('maxConcurrent'), 1);
  return {
    waves: parseWaves(at('waves')),
    uncovered: readChoice(at('uncovered'), ['last-wave', 'refuse'], fallback.uncovered),
    ...(maxConcurrent === undefined ? {} : { maxConcurrent }),
    maxFailures: readAmount(at('maxFailures'), 0) ?? fallback.maxFailures,
    minHealthyMs,
    progressDeadlineMs,
    offline: readChoice(at('offline'), ['wait', 'skip-and-catch-up', 'fail'], fallback.offline),
    lateJoin: readChoice(at('lateJoin'), ['current', 'append'], fallback.lateJoin),
    onFailure: readChoice(
      at('onFailure'),
      ['pause', 'rollback-failed', 'rollback-wave', 'rollback'],
      fallback.onFailure,
    ),
    retries: parseRetries(at('retries')),
    suspended: readChoice(
      at('suspended'),
      ['progressing', 'healthy', 'failed'],
      fallback.suspended,
    ),
  };
}

function parseRetries(node: Node): RolloutPolicy['retries'] {
  const at = readMapping(node, { known: ['limit', 'backoff'] });
  const { limit, backoffMs } = rolloutPolicyDefault.retries;
  return {
    limit: readCount(at('limit'), { fallback: limit, max: retriesMax }),
    backoffMs: readDuration(at('backoff'), { fallbackMs: backoffMs, minMs: backoffMsMin }),
  };
}

function parseWaves(node: Node): WaveRule[] {
  const nodes = readLimitedList(node, wavesMax);
  const waves = nodes.map(parseWave);
  const everything = waves.findIndex(
    (wave) => wave.kind === 'size' && 'percent' in wave.max && wave.max.percent === 100,
  );
  if (everything !== -1 && everything < waves.length - 1) {
    fault(nodes[everything] as Node, 'takes every target that is left: no wave may follow it');
  }
  return waves;
}

function parseWave(node: Node): WaveRule {
  const at = readMapping(node, { known: ['matchLabels', 'max'] });
  if (isAbsent(at('matchLabels')) === isAbsent(at('max'))) {
    fault(node, 'must have either matchLabels, or max such as 3 or 25%');
    return { kind: 'size', max: { count: 1 } };
  }
  return isAbsent(at('max'))
    ? { kind: 'labels', matchLabels: parseLabels(at('matchLabels')) }
    : { kind: 'size', max: readAmount(at('max'), 1) ?? { count: 1 } };
}

/** A number of targets, or a text such as `25%`. */
function readAmount(node: Node, min: number): Amount | undefined {
  if (isAbsent(node)) return undefined;
  const { value } = node;
  const percent = typeof value === 'string' ? /^(\d{1,3})%$/.exec(value)?.[1] : undefined;
  const count = percent === undefined ? value : Number(percent);
  const max = percent === undefined ? targetsMax : 100;
  if (typeof count === 'number' && Number.isInteger(count) && count >= min && count <= max) {
    return percent === undefined ? { count } : { percent: count };
  }
  fault(node, `must be a whole number from ${min}, or from ${min}% to 100%`);
  return undefined;
}

import type { MetricRule } from '../../pipeline/definition.ts';
import type { MetricSample } from '../snapshot.ts';
import type { RunOutcome } from '../verification/events.ts';

export type Counts = {
  /** That the rule asks for. */
  readonly wanted: number;
  readonly total: number;
  readonly bad: number;
  /** Without a number, where the rule does not say what that means. */
  readonly empty: number;
};

export type Verdict = Counts & {
  /** Absent while more samples are needed. */
  readonly end?: { readonly outcome: RunOutcome; readonly message: string };
};

/** As many as fit into the time that the rule names, one at the least. */
export const samplesWanted = ({ forMs, intervalMs }: MetricRule): number =>
  Math.max(1, Math.ceil(forMs / intervalMs));

/** How long an analysis waits for samples that do not come. */
const patienceMs = ({ forMs, intervalMs }: MetricRule): number => 2 * forMs + 5 * intervalMs;

/**
 * What the samples so far say, after so much time in which the hub was there to take them. Bad ones are borne up to the limit, and one more ends the analysis at once. Without enough
 * numbers to tell it is inconclusive, which is no pass.
 */
export function judgeSamples(
  rule: MetricRule,
  samples: readonly MetricSample[],
  waitedMs: number,
): Verdict {
  const wanted = samplesWanted(rule);
  const counted = samples.slice(0, wanted);
  const kinds = counted.map((sample) => kindOf(rule, sample));
  const bad = kinds.filter((kind) => kind === 'bad').length;
  const empty = kinds.filter((kind) => kind === 'empty').length;
  const counts = { wanted, total: counted.length, bad, empty };
  const end = (outcome: RunOutcome, message: string) => ({ ...counts, end: { outcome, message } });
  const { failureLimit } = rule;
  if (bad > failureLimit) {
    const last = counted[kinds.lastIndexOf('bad')];
    return end(
      'failed',
      `${bad} of ${counts.total} samples are bad, and ${failureLimit} are borne; the last was ${shown(last)}`,
    );
  }
  if (counted.length < wanted) {
    if (waitedMs < patienceMs(rule)) return counts;
    return end('inconclusive', `only ${counted.length} of ${wanted} samples were taken in time`);
  }
  // What is missing could hide as many bad samples.
  if (bad + empty > failureLimit) {
    const last = counted[kinds.lastIndexOf('empty')];
    return end(
      'inconclusive',
      `${empty} of ${wanted} samples are without a number: ${shown(last)}`,
    );
  }
  return end('passed', `${wanted - bad - empty} of ${wanted} samples are good`);
}

type Kind = 'good' | 'bad' | 'empty';

function kindOf({ condition, noData }: MetricRule, { value }: MetricSample): Kind {
  if (value === undefined || !Number.isFinite(value)) {
    return ({ inconclusive: 'empty', pass: 'good', fail: 'bad' } as const)[noData];
  }
  const holds = compare(value, condition);
  return holds === (condition.kind === 'pass-if') ? 'good' : 'bad';
}

function compare(value: number, { operator, threshold }: MetricRule['condition']): boolean {
  switch (operator) {
    case '<':
      return value < threshold;
    case '<=':
      return value <= threshold;
    case '>':
      return value > threshold;
    case '>=':
      return value >= threshold;
    case '==':
      return value === threshold;
    case '!=':
      return value !== threshold;
  }
}

const shown = (sample: MetricSample | undefined): string =>
  sample?.value === undefined ? sample?.message || 'no data' : String(sample.value);

import type { GatePolicy, PipelineDefinition, StageDefinition } from './definition.ts';
import { stageNamed } from './stage-named.ts';

/**
 * What would come into clusters by itself by `after` and would not by `before`, in words: it needs a right of its own,
 * because nobody is asked any more. What cannot be told to be stricter counts as wider.
 */
export function widenedPromotions(
  before: PipelineDefinition | undefined,
  after: PipelineDefinition,
): string[] {
  const automatic = after.stages.filter(({ promote }) => promote === 'automatic');
  const ofStages = automatic.flatMap((stage) => {
    const former = stageNamed(before, stage.name);
    if (former?.promote !== 'automatic') return [`${stage.name} is promoted automatically`];
    return widened(former, stage).map((what) => `${stage.name} ${what}`);
  });
  const former = new Set(before?.releases.revertBypasses);
  const bypasses = after.releases.revertBypasses.filter((gate) => !former.has(gate));
  if (before === undefined || automatic.length === 0 || bypasses.length === 0) return ofStages;
  return [...ofStages, `reverts pass without ${bypasses.join(', ')}`];
}

function widened(before: StageDefinition, after: StageDefinition): string[] {
  const what: string[] = [];
  const labels = Object.entries(before.clusters?.matchLabels ?? {});
  const narrower =
    after.clusters === undefined ||
    (before.clusters !== undefined &&
      labels.every(([key, value]) => after.clusters?.matchLabels[key] === value));
  if (!narrower) what.push('takes other clusters');
  const order = before.after.filter((name) => !after.after.includes(name));
  if (order.length > 0) what.push(`no longer comes after ${order.join(', ')}`);
  if (before.afterMode === 'all' && after.afterMode === 'any')
    what.push('waits for one stage only');
  if (after.backfill && !before.backfill) what.push('takes what is further on already');
  return [...what, ...weakened(before.gates, after.gates)];
}

function weakened(before: GatePolicy, after: GatePolicy): string[] {
  const what: string[] = [];
  const shorter =
    after.soakMs < before.soakMs ||
    (before.soakUnhealthy === 'reset' && after.soakUnhealthy === 'pause') ||
    (before.soakUnknown === 'reset' && after.soakUnknown === 'pause');
  if (shorter && before.soakMs > 0) what.push('soaks for less');
  if (!asStrict(before.approvals, after.approvals)) what.push('asks for other approvals');
  if (lost(before.windows, after.windows).length > 0) what.push('has other windows');
  const allows = ({ windows }: GatePolicy) => windows.filter(({ effect }) => effect === 'allow');
  // The first window that allows forbids all other times; each further one opens some of them.
  if (allows(before).length > 0 && lost(allows(after), allows(before)).length > 0) {
    what.push('has more windows');
  }
  if (lost(before.verifications, after.verifications).length > 0) what.push('verifies less');
  if (lost(before.metrics, after.metrics).length > 0) what.push('measures less');
  if (lost(before.statuses, after.statuses).length > 0) what.push('asks for fewer statuses');
  return what;
}

/** More votes are stricter; any other difference may be a way around. */
function asStrict(before: GatePolicy['approvals'], after: GatePolicy['approvals']): boolean {
  if (before === undefined) return true;
  if (after === undefined || after.required < before.required) return false;
  return textOf({ ...before, required: 0 }) === textOf({ ...after, required: 0 });
}

/** Those of `before` that `after` does not have as they were. */
function lost(before: readonly unknown[], after: readonly unknown[]): unknown[] {
  const kept = new Set(after.map(textOf));
  return before.filter((one) => !kept.has(textOf(one)));
}

const textOf = (value: unknown): string => JSON.stringify(value);

import type { BypassableGate } from '../pipeline/definition.ts';
import type { GateName, GateResult } from './events.ts';
import type { GateContext } from './gates/index.ts';
import { get } from './persistent-map.ts';
import { type ActivePipeline, type KnownRelease, releaseOf, short } from './state.ts';

type BypassContext = Pick<GateContext, 'state' | 'stage' | 'inStage' | 'release'>;

/**
 * Whether a gate that does not pass lets this release by all the same, and whose word that is: a hotfix that a person
 * with the right asked for, as far as the stage's policy in force allows it, or the pipeline's own rule for reverts.
 */
export function bypassOf(context: BypassContext, gate: GateName): GateResult['bypassed'] {
  const { stage, inStage, release } = context;
  const { request } = inStage;
  const hotfix = request?.release === release.commit ? request.hotfix : undefined;
  if (hotfix && includes(hotfix.bypass, gate) && includes(stage.hotfix?.mayBypass ?? [], gate)) {
    return { by: hotfix.by, reason: hotfix.reason };
  }
  return revertBypass(context, gate);
}

/** The pipeline's own rule: content that has succeeded in a stage need not prove itself there again. */
export function revertBypass(
  { state, stage, inStage, release }: BypassContext,
  gate: GateName,
): GateResult['bypassed'] {
  if (!includes(state.definition.releases.revertBypasses, gate)) return undefined;
  const same = sameContentBefore(state, inStage, release);
  if (same === undefined) return undefined;
  const reason = `it has the same content as ${short(same.commit)}, which succeeded in ${stage.name}`;
  return { by: 'revert rule', reason };
}

const includes = (gates: readonly BypassableGate[], gate: GateName): boolean =>
  (gates as readonly GateName[]).includes(gate);

/** An earlier release with equal content that has succeeded here and was not rolled back. */
function sameContentBefore(
  state: ActivePipeline,
  { history, releases }: GateContext['inStage'],
  { tree, position }: KnownRelease,
): KnownRelease | undefined {
  if (tree === undefined) return undefined;
  for (const { release } of history.toReversed()) {
    if (get(releases, release)?.outcome !== 'succeeded') continue;
    const known = releaseOf(state, release);
    if (known?.tree === tree && known.position < position) return known;
  }
  return undefined;
}

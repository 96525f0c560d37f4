import type { CommitId, StageName } from '@fairlead/shared/ids';
import { err, ok, type Result } from '@fairlead/shared/result';
import { isOneOf, mayDo } from '../hub/index.ts';
import type { StageDefinition } from '../pipeline/definition.ts';
import type { PipelineCommand, PipelineRejection } from './commands.ts';
import type { Hotfix } from './events.ts';
import { get } from './persistent-map.ts';
import { type ActivePipeline, releaseOf, stageState } from './state.ts';

/** What a promotion may pass without, or why the person may not ask for that. Nothing for an ordinary promotion. */
export function hotfixOf(
  stage: StageDefinition,
  { hotfix, by }: Extract<PipelineCommand, { type: 'promote' }>,
): Result<Hotfix | undefined, PipelineRejection> {
  if (hotfix === undefined) return ok(undefined);
  const who = by?.subject ?? 'Nobody';
  if (by === undefined || !mayDo(by, 'hotfix')) {
    return err({ code: 'permission_missing', detail: `${who} lacks the permission for a hotfix.` });
  }
  const policy = stage.hotfix;
  if (policy === undefined) {
    const detail = `${stage.name} takes no hotfix: its definition names no gate to pass without.`;
    return err({ code: 'gate_not_bypassable', detail });
  }
  if (policy.from.length > 0 && !isOneOf(by, policy.from)) {
    const detail = `${who} is none of ${policy.from.join(', ')}, who may ask for a hotfix of ${stage.name}.`;
    return err({ code: 'permission_missing', detail });
  }
  const refused = hotfix.bypass.filter((gate) => !policy.mayBypass.includes(gate));
  if (refused.length > 0 || hotfix.bypass.length === 0) {
    const named = refused.length > 0 ? refused.join(', ') : 'no gate';
    const detail =
      `A hotfix of ${stage.name} cannot pass without ${named}; ` +
      `its definition allows ${policy.mayBypass.join(', ') || 'none'}.`;
    return err({ code: 'gate_not_bypassable', detail });
  }
  return ok({ bypass: [...new Set(hotfix.bypass)], by: by.subject, reason: hotfix.reason });
}

/** What a stage runs by a hotfix, and the stages before it that have not had it succeed, nor anything newer. */
export type Ahead = { readonly release: CommitId; readonly notIn: readonly StageName[] };

/** A stage stays ahead until each stage before it succeeds with a release at or after the position of the hotfix. */
export function aheadOf(state: ActivePipeline, stage: StageDefinition): Ahead | undefined {
  const { rollout, lastRollout } = stageState(state, stage.name);
  const last = rollout ?? lastRollout;
  const release = last?.kind === 'hotfix' ? releaseOf(state, last.release) : undefined;
  if (release === undefined) return undefined;
  const notIn = stage.after.filter((before) => {
    const { history, releases } = stageState(state, before);
    return !history.some(({ release: commit }) => {
      const position = releaseOf(state, commit)?.position ?? -1;
      return position >= release.position && get(releases, commit)?.outcome === 'succeeded';
    });
  });
  return notIn.length === 0 ? undefined : { release: release.commit, notIn };
}

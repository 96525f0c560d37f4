import type { Instant } from '@fairlead/shared/time';
import type { WindowRule } from '../pipeline/definition.ts';
import { windowAt } from './window.ts';

/** What the windows of a stage say together. Deny wins; with any allow rule, one of them must be open. */
export type WindowsState =
  | {
      readonly open: true;
      /** Absent: they do not close, as far as anybody looked. */
      readonly closes?: { readonly at: Instant; readonly rule: WindowRule };
    }
  | {
      readonly open: false;
      /** The rule that decides: a deny rule that is open, or the allow rule that opens next. */
      readonly rule: WindowRule;
      readonly why: 'denied' | 'not-allowed' | 'unknown';
      /** Why the rule is unknown. */
      readonly detail: string;
      /** When all of them let something in again; absent when that is not in sight. */
      readonly opensAt?: Instant;
    };

/** Changes of single windows that one question looks through. */
const changesMax = 32;

/** Nothing where a stage has no windows. */
export function windowsAt(rules: readonly WindowRule[], at: Instant): WindowsState | undefined {
  if (rules.length === 0) return undefined;
  const now = look(rules, at);
  if (now.closed === undefined) {
    const closes = closing(rules, now);
    return { open: true, ...(closes === undefined ? {} : { closes }) };
  }
  const opensAt = opening(rules, now);
  return { open: false, ...now.closed, ...(opensAt === undefined ? {} : { opensAt }) };
}

type Look = {
  readonly closed?: Pick<Extract<WindowsState, { open: false }>, 'rule' | 'why' | 'detail'>;
  /** When one of the windows that decide changes next. */
  readonly changeAt?: Instant;
  /** The allow rule that is open longest, where one lets in. */
  readonly allowing?: WindowRule;
};

function look(rules: readonly WindowRule[], at: Instant): Look {
  const states = rules.map((rule) => ({ rule, state: windowAt(rule, at) }));
  for (const { rule, state } of states) {
    if (state.kind !== 'unknown') continue;
    return { closed: { rule, why: 'unknown', detail: state.reason } };
  }
  const denied = longest(states.filter(({ rule }) => rule.effect === 'deny'));
  if (denied !== undefined) {
    const { rule, until } = denied;
    return { closed: { rule, why: 'denied', detail: '' }, changeAt: until };
  }
  const allows = states.filter(({ rule }) => rule.effect === 'allow');
  const allowed = longest(allows);
  const nextDeny = earliest(states.filter(({ rule }) => rule.effect === 'deny'));
  if (allows.length > 0 && allowed === undefined) {
    const next = earliest(allows);
    const rule = next?.rule ?? allows[0]?.rule;
    if (rule === undefined) return {};
    return { closed: { rule, why: 'not-allowed', detail: '' }, ...changing(next?.at) };
  }
  const ends = [allowed?.until, nextDeny?.at].filter((end) => end !== undefined);
  return {
    ...changing(ends.length === 0 ? undefined : Math.min(...ends)),
    ...(allowed === undefined ? {} : { allowing: allowed.rule }),
  };
}

const changing = (changeAt: Instant | undefined) => (changeAt === undefined ? {} : { changeAt });

type Judged = { readonly rule: WindowRule; readonly state: ReturnType<typeof windowAt> };

function longest(judged: readonly Judged[]): { rule: WindowRule; until: Instant } | undefined {
  let found: { rule: WindowRule; until: Instant } | undefined;
  for (const { rule, state } of judged) {
    if (state.kind !== 'open' || (found && found.until >= state.until)) continue;
    found = { rule, until: state.until };
  }
  return found;
}

function earliest(judged: readonly Judged[]): { rule: WindowRule; at: Instant } | undefined {
  let found: { rule: WindowRule; at: Instant } | undefined;
  for (const { rule, state } of judged) {
    if (state.kind !== 'closed' || state.opensAt === undefined) continue;
    if (found === undefined || state.opensAt < found.at) found = { rule, at: state.opensAt };
  }
  return found;
}

function opening(rules: readonly WindowRule[], from: Look): Instant | undefined {
  let changeAt = from.changeAt;
  for (let changes = 0; changes < changesMax && changeAt !== undefined; changes++) {
    const next = look(rules, changeAt);
    if (next.closed === undefined) return changeAt;
    changeAt = next.changeAt;
  }
  return undefined;
}

function closing(
  rules: readonly WindowRule[],
  from: Look,
): { at: Instant; rule: WindowRule } | undefined {
  let open = from;
  for (let changes = 0; changes < changesMax; changes++) {
    const at = open.changeAt;
    if (at === undefined) return undefined;
    const next = look(rules, at);
    if (next.closed !== undefined) {
      // A window that ended closes by its own rule; the one that would open next has nothing to do with it.
      const ended = next.closed.why === 'not-allowed' ? open.allowing : undefined;
      return { at, rule: ended ?? next.closed.rule };
    }
    open = next;
  }
  return undefined;
}

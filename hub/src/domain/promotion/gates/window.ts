import { formatDuration, formatInstant } from '@fairlead/shared/time';
import { type WindowsState, windowsAt } from '../../calendar/index.ts';
import type { GateResult } from '../events.ts';
import { expectedDuration, overrideFor } from '../freeze.ts';
import type { Gate, GateContext } from './gate.ts';

type Result = Omit<GateResult, 'gate'>;
type Closed = Extract<WindowsState, { open: false }>;
type Open = Extract<WindowsState, { open: true }>;

/** The windows of the stage are open, and what starts now is expected to end in time where the policy asks for it. */
export const windowGate: Gate = (context) => {
  const { stage, inStage, release, at } = context;
  const windows = windowsAt(stage.gates.windows, at);
  if (windows === undefined) return undefined;
  const result = windows.open ? whileOpen(context, windows) : whileClosed(context, windows);
  const override = overrideFor(inStage, release.commit);
  if (result.passed || override === undefined) return result;
  const { by, reason } = override;
  const evidence = { ...result.evidence, overriddenBy: by };
  return { ...result, evidence, bypassed: { by, reason } };
};

/** The gate is asked again for each batch of a rollout that runs. */
const isRunning = ({ inStage, release }: GateContext): boolean =>
  inStage.rollout?.release === release.commit;

function whileClosed(context: GateContext, { rule, why, detail, opensAt }: Closed): Result {
  const evidence = { window: rule.name, effect: rule.effect };
  if (why === 'unknown') {
    const fault = `The schedule of window ${rule.name} cannot be followed (${detail}), which lets nothing in`;
    return { passed: false, detail: `${fault}: change the pipeline.`, evidence };
  }
  if (isRunning(context) && rule.running === 'finish') {
    const goesOn = `Window ${rule.name} has closed, and lets what runs go on to its end.`;
    return { passed: true, detail: goesOn, evidence };
  }
  const reason =
    why === 'denied' ? `Window ${rule.name} denies it` : `No window is open: ${rule.name} is next`;
  const until =
    opensAt === undefined
      ? 'and no opening is in sight'
      : `and it opens at ${formatInstant(opensAt)}`;
  return {
    passed: false,
    detail: `${reason}, ${until}.`,
    evidence,
    ...(opensAt === undefined ? {} : { clearsAt: opensAt }),
  };
}

function whileOpen(context: GateContext, { closes }: Open): Result {
  if (closes === undefined) return { passed: true, detail: 'The windows are open.', evidence: {} };
  const { rule, at: closesAt } = closes;
  const evidence = { window: rule.name, closesAt };
  const open = `The windows are open until ${formatInstant(closesAt)}, when ${rule.name} closes them`;
  if (rule.running !== 'must-fit' || isRunning(context)) {
    return { passed: true, detail: `${open}.`, evidence };
  }
  const { inStage, stage, at } = context;
  const { durationMs, text } = expectedDuration(inStage, stage);
  const judged = { ...evidence, expectedMs: durationMs };
  if (at + durationMs <= closesAt) {
    return { passed: true, detail: `${open}, and a rollout fits (${text}).`, evidence: judged };
  }
  const detail =
    `${open}, and a rollout does not fit into the ${formatDuration(closesAt - at)} before it ` +
    `(it takes ${text}).`;
  const next = nextFit(context, { closesAt, durationMs });
  return next === undefined
    ? {
        passed: false,
        detail: `${detail} No later time that is long enough is in sight.`,
        evidence: judged,
      }
    : {
        passed: false,
        detail: `${detail} It fits at ${formatInstant(next)}.`,
        evidence: judged,
        clearsAt: next,
      };
}

/** Openings that are looked through for one that is long enough. */
const openingsMax = 8;

function nextFit(
  { stage }: GateContext,
  { closesAt, durationMs }: { closesAt: number; durationMs: number },
): number | undefined {
  let at: number | undefined = closesAt;
  for (let openings = 0; openings < openingsMax && at !== undefined; openings++) {
    const windows: WindowsState | undefined = windowsAt(stage.gates.windows, at);
    if (windows === undefined) return undefined;
    if (!windows.open) {
      at = windows.opensAt;
      continue;
    }
    const { closes } = windows;
    const fits = closes === undefined || closes.rule.running !== 'must-fit';
    if (fits || at + durationMs <= closes.at) return at;
    at = closes.at;
  }
  return undefined;
}

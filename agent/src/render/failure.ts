import { err, type Result } from '@fairlead/shared/result';

export type RenderFailureCode =
  | 'path_missing'
  | 'reference_refused'
  | 'tool_failed'
  | 'tool_missing'
  | 'limit_exceeded'
  | 'object_invalid'
  | 'object_duplicate'
  | 'renders_nothing'
  | 'ended';

/** `terminal`: the same commit cannot outgrow it. The message names the place and, where there is one, the remedy. */
export type RenderFailure = {
  readonly code: RenderFailureCode;
  readonly message: string;
  readonly terminal: boolean;
};

/** What lies in this machine and not in the commit may be better at the next try. */
const passing: ReadonlySet<RenderFailureCode> = new Set(['tool_missing', 'ended']);

export const renderFailure = (
  code: RenderFailureCode,
  message: string,
): Result<never, RenderFailure> => err({ code, message, terminal: !passing.has(code) });

import { err, type Result } from '@fairlead/shared/result';
import { unitMessageCharactersMax } from '../limits.ts';

export type RenderFailureCode =
  | 'path_missing'
  | 'reference_refused'
  | 'tool_failed'
  | 'tool_missing'
  | 'limit_exceeded'
  | 'object_invalid'
  | 'object_duplicate'
  | 'renders_nothing'
  | 'value_missing'
  | 'keys_missing'
  | 'decryption_failed'
  | 'ended';

/** `terminal`: the same commit cannot outgrow it. The message names the place and, where there is one, the remedy. */
export type RenderFailure = {
  readonly code: RenderFailureCode;
  readonly message: string;
  readonly terminal: boolean;
};

/** What lies in this machine or cluster and not in the commit may be better at the next try. */
const passing: ReadonlySet<RenderFailureCode> = new Set(['tool_missing', 'ended', 'keys_missing']);

export const renderFailure = (
  code: RenderFailureCode,
  message: string,
): Result<never, RenderFailure> => err({ code, message, terminal: !passing.has(code) });

/** A message of bounded length: its beginning says where, and a tool's own error often ends with the reason. */
export function clipFailure(failure: RenderFailure): RenderFailure {
  const { message } = failure;
  if (message.length <= unitMessageCharactersMax) return failure;
  const half = Math.floor((unitMessageCharactersMax - 3) / 2);
  return { ...failure, message: `${message.slice(0, half)} … ${message.slice(-half)}` };
}

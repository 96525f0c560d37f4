import { parse } from '@bufbuild/cel';
import { err, ok, type Result } from '../result/index.ts';
import { loopDepthOf } from './loop-depth.ts';
import { bendOptionalChains, withOptionalsAsCalls } from './optional.ts';

export const expressionCharactersMax = 4_096;

export type ParsedExpression = {
  readonly parsed: ReturnType<typeof parse>;
  /** How deep its loops are nested: its work is at most the length of the longest list to this power. */
  readonly loopDepth: number;
};

/** Reads an expression without evaluating it; the failure says where it is wrong, as `<input>:1:3: …`. */
export function parseExpression(source: string): Result<ParsedExpression, string> {
  if (source.length > expressionCharactersMax) {
    return err(`is longer than ${expressionCharactersMax} characters`);
  }
  try {
    const parsed = parse(withOptionalsAsCalls(source));
    parsed.expr = bendOptionalChains(parsed.expr);
    return ok({ parsed, loopDepth: loopDepthOf(parsed.expr) });
  } catch (error) {
    return err((error as Error).message);
  }
}

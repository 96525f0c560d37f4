import { type CelInput, type CelValue, celEnv, isCelError, plan } from '@bufbuild/cel';
import { parseExpression } from '@fairlead/shared/expression';
import { err, ok, type Result } from '@fairlead/shared/result';
import { healthExpressionStepsMax } from './bounds.ts';
import { functions } from './functions.ts';

export type Bindings = Record<string, CelInput>;

export type Expression = {
  readonly source: string;
  /** `longest`: the length of the longest list or mapping that the bindings hold. Never throws. */
  readonly evaluate: (bindings: Bindings, longest: number) => Result<CelValue, string>;
};

const environment = celEnv({ funcs: functions });

/** Reads an expression once, so that it can be evaluated many times; the failure says where it is wrong. */
export function compileExpression(source: string): Result<Expression, string> {
  const read = parseExpression(source);
  if (!read.ok) return read;
  const { parsed, loopDepth } = read.value;
  try {
    const run = plan(environment, parsed) as (bindings: Bindings) => CelValue;
    const isTooLong = (longest: number) =>
      loopDepth > 0 &&
      Math.max(longest, source.length) ** (loopDepth + 1) > healthExpressionStepsMax;
    return ok({
      source,
      evaluate: (bindings, longest) =>
        isTooLong(longest)
          ? err(`would take too many steps over lists of up to ${longest} items`)
          : attempt(() => run(bindings)),
    });
  } catch (error) {
    return err((error as Error).message);
  }
}

// The library returns errors of evaluation and throws a few, as of a stack that is too deep.
function attempt(run: () => CelValue): Result<CelValue, string> {
  try {
    const value: unknown = run();
    return isCelError(value) ? err(value.message) : ok(value as CelValue);
  } catch (error) {
    return err(error instanceof RangeError ? 'takes too many steps' : (error as Error).message);
  }
}

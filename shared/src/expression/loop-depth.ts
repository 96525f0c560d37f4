import type { Expr } from './optional.ts';

/** How deep loops are nested: the work of an expression is at most the longest list to this power. */
export function loopDepthOf(expression: Expr | undefined): number {
  const { exprKind } = expression ?? { exprKind: { case: undefined } };
  switch (exprKind.case) {
    case 'selectExpr':
      return loopDepthOf(exprKind.value.operand);
    case 'callExpr':
      return Math.max(
        loopDepthOf(exprKind.value.target),
        ...exprKind.value.args.map((argument) => loopDepthOf(argument)),
      );
    case 'listExpr':
      return Math.max(0, ...exprKind.value.elements.map((element) => loopDepthOf(element)));
    case 'structExpr':
      return Math.max(
        0,
        ...exprKind.value.entries.map(({ value, keyKind }) =>
          Math.max(loopDepthOf(value), keyKind.case === 'mapKey' ? loopDepthOf(keyKind.value) : 0),
        ),
      );
    case 'comprehensionExpr': {
      const { iterRange, loopCondition, loopStep, result } = exprKind.value;
      const within = Math.max(loopDepthOf(loopCondition), loopDepthOf(loopStep));
      // What a loop makes may be looped over by the next; its length is bounded by the loops in it.
      return Math.max(1 + within, loopDepthOf(iterRange), loopDepthOf(result));
    }
    default:
      return 0;
  }
}

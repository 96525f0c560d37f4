import { parse } from '@bufbuild/cel';

export type Expr = ReturnType<typeof parse>['expr'];

// The library's parser does not know CEL's optional fields (`status.?phase.orValue('')`), which people who come from
// Flux have in their expressions. They are written as calls before parsing, and a chain behind one is bent afterwards.

/** `.?name` and `[?index]` as calls; text in quotes is left alone. */
export function withOptionalsAsCalls(source: string): string {
  if (!source.includes('?')) return source;
  const literal =
    /^(?:[rR]?"""[\s\S]*?"""|[rR]?'''[\s\S]*?'''|[rR]"[^"\n]*"|[rR]'[^'\n]*'|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')/;
  let result = '';
  let rest = source;
  const closings: string[] = [];
  while (rest !== '') {
    const taken =
      literal.exec(rest)?.[0] ??
      /^\.\?\s*[A-Za-z_]\w*/.exec(rest)?.[0] ??
      /^(\[\?|\w+|[\s\S])/.exec(rest)?.[0] ??
      '';
    rest = rest.slice(taken.length);
    if (taken.startsWith('.?')) {
      result += `.optionalField("${taken.slice(2).trim()}")`;
    } else if (taken === '[?') {
      result += '.optionalAt(';
      closings.push(')');
    } else if (taken === '[') {
      result += taken;
      closings.push(']');
    } else {
      result += taken === ']' ? (closings.pop() ?? taken) : taken;
    }
  }
  return result;
}

const isOptional = (expression: Expr | undefined): boolean =>
  expression?.exprKind.case === 'callExpr' &&
  (expression.exprKind.value.function === 'optionalField' ||
    expression.exprKind.value.function === 'optionalAt');

/** `operand.name(argument)`, made by the parser, so that the syntax tree stays the library's own. */
function callOf(name: string, operand: Expr, argument: Expr | string): Expr {
  const literal = typeof argument === 'string' ? JSON.stringify(argument) : '0';
  const call = parse(`operand.${name}(${literal})`).expr;
  if (call.exprKind.case === 'callExpr') {
    call.exprKind.value.target = operand;
    if (typeof argument !== 'string') call.exprKind.value.args = [argument];
  }
  return call;
}

/** `status.?a.b` reads `b` of an optional value, so that is optional as well. */
export function bendOptionalChains(expression: Expr): Expr {
  const bend = (item: Expr | undefined): Expr | undefined => item && bendOptionalChains(item);
  const { exprKind } = expression;
  switch (exprKind.case) {
    case 'selectExpr': {
      const select = exprKind.value;
      select.operand = bend(select.operand);
      if (!select.operand || !isOptional(select.operand) || select.testOnly) return expression;
      return callOf('optionalField', select.operand, select.field);
    }
    case 'callExpr': {
      const call = exprKind.value;
      call.target = bend(call.target);
      call.args = call.args.flatMap((argument) => bend(argument) ?? []);
      const [operand, index] = call.args;
      if (call.function !== '_[_]' || !operand || !index || !isOptional(operand)) return expression;
      return callOf('optionalAt', operand, index);
    }
    case 'listExpr':
      exprKind.value.elements = exprKind.value.elements.flatMap((element) => bend(element) ?? []);
      return expression;
    case 'structExpr':
      for (const entry of exprKind.value.entries) {
        entry.value = bend(entry.value);
        if (entry.keyKind.case === 'mapKey')
          entry.keyKind.value = bend(entry.keyKind.value) ?? entry.keyKind.value;
      }
      return expression;
    case 'comprehensionExpr': {
      const loop = exprKind.value;
      loop.iterRange = bend(loop.iterRange);
      loop.loopCondition = bend(loop.loopCondition);
      loop.loopStep = bend(loop.loopStep);
      loop.result = bend(loop.result);
      return expression;
    }
    default:
      return expression;
  }
}

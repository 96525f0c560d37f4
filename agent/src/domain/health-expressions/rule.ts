import type { CelValue } from '@bufbuild/cel';
import type { KubernetesObject } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import {
  explain,
  type Health,
  mappingAt,
  type ObjectHealth,
  progressing,
  unknown,
} from '../health/index.ts';
import {
  healthMessageCharactersMax,
  healthObjectDepthMax,
  healthObjectValuesMax,
} from './bounds.ts';
import { type Bindings, compileExpression, type Expression } from './expression.ts';
import { toCelObject } from './values.ts';

/** What decides a kind's health, each a CEL expression over the object's own fields. */
export type RuleSource = {
  readonly suspended?: string;
  readonly missing?: string;
  readonly unknown?: string;
  readonly inProgress?: string;
  readonly failed?: string;
  readonly current?: string;
  /** A text for people; where it is empty, the object's conditions speak. */
  readonly message?: string;
  /** Values that the expressions see as `given`. */
  readonly given?: Readonly<Record<string, unknown>>;
};

export type Rule = (object: KubernetesObject) => ObjectHealth;

// In this order; the first that is true decides. `inProgress`, `failed`, `current` are in Flux's order.
const decisions = [
  ['suspended', 'Suspended'],
  ['missing', 'Missing'],
  ['unknown', 'Unknown'],
  ['inProgress', 'Progressing'],
  ['failed', 'Degraded'],
  ['current', 'Healthy'],
] as const satisfies readonly (readonly [keyof RuleSource, Health])[];

export type CompileFault = { readonly field: string; readonly message: string };

/** All faults at once. `compile` may remember expressions that many kinds share. */
export function compileRule(
  source: RuleSource,
  compile: (source: string) => Result<Expression, string> = compileExpression,
): Result<Rule, readonly CompileFault[]> {
  const faults: CompileFault[] = [];
  const compiled = (field: keyof RuleSource): Expression | undefined => {
    const text = source[field];
    if (typeof text !== 'string' || text.trim() === '') return undefined;
    const result = compile(text);
    if (result.ok) return result.value;
    faults.push({ field, message: result.error });
    return undefined;
  };
  const steps = decisions.flatMap(([field, health]) => {
    const expression = compiled(field);
    return expression ? [{ field, health, expression }] : [];
  });
  const message = compiled('message');
  if (faults.length > 0) return err(faults);
  const given = toCelObject(source.given ?? {}, limits)?.value ?? new Map();

  return ok((object) => {
    const converted = toCelObject(withSections(object), limits);
    if (!converted) return unknown('the object is too large to be judged by an expression');
    const bindings: Bindings = { ...Object.fromEntries(converted.value), given } as Bindings;
    for (const { field, health, expression } of steps) {
      const outcome = expression.evaluate(bindings, converted.longest);
      const failure = outcome.ok ? notBoolean(outcome.value) : outcome.error;
      if (failure !== undefined) return afterFailure(object, field, failure);
      if (outcome.ok && outcome.value === true) {
        return { health, message: messageOf(object, health, message, bindings, converted.longest) };
      }
    }
    return {
      health: 'Progressing',
      message: messageOf(object, 'Progressing', message, bindings, converted.longest),
    };
  });
}

const limits = { valuesMax: healthObjectValuesMax, depthMax: healthObjectDepthMax };

// An expression may read these sections of an object that has none; what is below them may still be missing.
const withSections = (object: KubernetesObject): Record<string, unknown> => ({
  ...object,
  metadata: mappingAt(object, 'metadata'),
  spec: mappingAt(object, 'spec'),
  status: mappingAt(object, 'status'),
});

const notBoolean = (value: CelValue): string | undefined =>
  typeof value === 'boolean' ? undefined : 'does not say true or false';

/** Until its controller has written a status, an object lacks the very fields that an expression asks for. */
function afterFailure(object: KubernetesObject, field: string, failure: string): ObjectHealth {
  if (Object.keys(mappingAt(object, 'status')).length === 0)
    return progressing('waits for the first status');
  return unknown(`the expression \`${field}\` cannot be evaluated: ${failure}`);
}

function messageOf(
  object: KubernetesObject,
  health: Health,
  expression: Expression | undefined,
  bindings: Bindings,
  longest: number,
): string {
  const outcome = expression?.evaluate({ ...bindings, health }, longest);
  const said = outcome?.ok && typeof outcome.value === 'string' ? outcome.value : '';
  return (said || explain(object, health)).slice(0, healthMessageCharactersMax);
}

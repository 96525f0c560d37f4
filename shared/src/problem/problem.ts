import { type ProblemCode, problemCatalogue } from './catalogue.ts';

/** A fault in a document, at a place: `path` is like `spec.stages[1].after[0]`. */
export type Fault = { readonly path: string; readonly message: string };

/** What went wrong, for a person: `detail` is public text that names the place; `faults` list every place at once. */
export type Problem = {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly faults?: readonly Fault[];
};

/** Carries a problem through code that throws. The cause is private: it goes to the log and never to a client. */
export class ProblemError extends Error {
  override name = 'ProblemError';
  readonly problem: Problem;
  constructor(reason: Problem, cause?: unknown) {
    super(`${reason.code}: ${reason.detail}`, { cause });
    this.problem = reason;
  }
}

export const problem = (code: ProblemCode, detail: string, faults?: readonly Fault[]): Problem => ({
  code,
  detail: detail === '' ? problemCatalogue[code].meaning : detail,
  ...(faults ? { faults } : {}),
});

export const isProblem = (value: unknown): value is ProblemError => value instanceof ProblemError;

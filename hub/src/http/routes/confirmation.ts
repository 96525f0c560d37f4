import { ProblemError, problem } from '@fairlead/shared/problem';

/** F02: what cannot be taken back needs the name of its subject typed a second time. */
export function requireConfirmation(name: string, confirm: string): void {
  if (confirm === name) return;
  throw new ProblemError(
    problem('request_invalid', `Nothing was done: this needs the name "${name}" typed again.`, [
      { path: 'confirm', message: `must be "${name}"` },
    ]),
  );
}

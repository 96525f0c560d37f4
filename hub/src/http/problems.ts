import type { Logger } from '@fairlead/shared/log';
import {
  type Fault,
  isProblem,
  type Problem,
  type ProblemCode,
  ProblemError,
  problem,
  problemCatalogue,
} from '@fairlead/shared/problem';
import type { Result } from '@fairlead/shared/result';
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { HttpEnvironment } from './environment.ts';
import type { ProblemDocument } from './schemas.ts';

/** A refused command: the rule's own code goes along with the catalogue's. */
export class RefusedError extends ProblemError {
  override name = 'RefusedError';
  readonly rule: string;
  constructor(code: ProblemCode, refusal: { code: string; detail: string }) {
    super(problem(code, refusal.detail));
    this.rule = refusal.code;
  }
}

/** Rules whose breach is better known under another code than `command_refused`. */
const codeOfRule: Readonly<Record<string, ProblemCode>> = {
  cluster_not_found: 'not_found',
  pipeline_not_defined: 'not_found',
  pipeline_already_removed: 'not_found',
  repository_not_defined: 'not_found',
  stage_not_found: 'not_found',
  release_not_found: 'not_found',
  token_not_found: 'not_found',
  freeze_not_found: 'not_found',
  permission_missing: 'forbidden',
  cluster_already_exists: 'already_exists',
  token_already_exists: 'already_exists',
  version_conflict: 'version_conflict',
};

/** The value of an accepted command; a refusal is thrown as the problem that it is. */
export function accepted<Value>(
  result: Result<Value, { readonly code: string; readonly detail?: string }>,
): Value {
  if (result.ok) return result.value;
  const { code, detail = '' } = result.error;
  throw new RefusedError(codeOfRule[code] ?? 'command_refused', { code, detail });
}

/** Throws `not_found` with the kind and the name where there is nothing. */
export function found<Value>(value: Value | undefined, kind: string, name: string): Value {
  if (value !== undefined) return value;
  throw new ProblemError(problem('not_found', `No ${kind} is named "${name}".`));
}

/** Every fault that a schema found, with its place. */
export const schemaFaults = (error: z.ZodError, prefix: string): Fault[] =>
  error.issues.map((issue) => ({ path: placeOf(prefix, issue.path), message: issue.message }));

function placeOf(prefix: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((place, key) => {
    if (typeof key === 'number') return `${place}[${key}]`;
    return place === '' ? String(key) : `${place}.${String(key)}`;
  }, prefix);
}

/** RFC 9457. What is not a problem becomes `internal`: its cause goes to the log under the request id, never out. */
export function problemResponse(
  context: Context<HttpEnvironment>,
  error: unknown,
  logger: Logger,
): Response {
  const requestId = context.get('requestId');
  const known = isProblem(error) ? error : undefined;
  const reason: Problem = known?.problem ?? problem('internal', '');
  const { status, meaning, remedy } = problemCatalogue[reason.code];
  if (status >= 500) {
    const { method, path } = context.req;
    logger.error({ err: known?.cause ?? error, requestId, method, path }, reason.detail);
  }
  const document: ProblemDocument = {
    type: `/api/v1/problems#${reason.code}`,
    title: meaning,
    status,
    code: reason.code,
    detail: reason.detail,
    remedy,
    requestId,
    ...(reason.faults ? { faults: [...reason.faults] } : {}),
    ...(error instanceof RefusedError ? { rule: error.rule } : {}),
  };
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  };
  if (reason.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer';
  if (status === 503 || status === 429) headers['retry-after'] = '1';
  return new Response(JSON.stringify(document), { status, headers });
}

import { ProblemError, problem } from '@fairlead/shared/problem';
import type { Context } from 'hono';
import type { Authenticated } from '../auth/tokens/index.ts';
import type { Actor } from '../decision-log/index.ts';
import { mayDo, type Person } from '../domain/hub/index.ts';
import { readYourWritesTimeoutMs } from '../limits.ts';
import type { HttpApiOptions } from './dependencies.ts';
import type { Endpoint } from './endpoint.ts';
import type { HttpEnvironment } from './environment.ts';

export const minPositionHeader = 'x-fairlead-min-position';

export type Caller = { readonly actor: Actor; readonly person: Person };

const anonymous: Person = { subject: 'anonymous', groups: [], emails: [], permissions: [] };
const anonymousActor: Actor = { kind: 'person', name: anonymous.subject };

/** Who calls, checked against what the route asks for; a caller without the right is put on record. */
export async function authorise(
  context: Context<HttpEnvironment>,
  about: Pick<HttpApiOptions, 'authenticate' | 'commands'> & {
    readonly route: Pick<Endpoint, 'access' | 'method' | 'path'>;
    readonly params: Readonly<Record<string, string>>;
  },
): Promise<Caller> {
  const { route, params, authenticate, commands } = about;
  if (route.access === 'public') return { actor: anonymousActor, person: anonymous };
  const token = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
  const caller = token === undefined ? undefined : authenticate(token);
  if (caller === undefined) throw new ProblemError(problem('unauthenticated', ''));
  context.set('caller', caller);
  const actor: Actor = { kind: 'person', name: caller.subject };
  const lacks = lackOf(caller, route.access);
  if (lacks !== undefined) {
    const detail = `${caller.subject} (token "${caller.name}") ${lacks}.`;
    await commands.recordRefusal(
      {
        command: `${route.method.toUpperCase()} ${route.path}`,
        subject: subjectOf(params),
        code: 'forbidden',
        detail,
      },
      actor,
    );
    throw new ProblemError(problem('forbidden', detail));
  }
  return { actor, person: caller };
}

/** What the caller would need to have, in words; nothing where they may. */
function lackOf(caller: Authenticated, access: Endpoint['access']): string | undefined {
  if (access === 'public' || access === 'viewer' || caller.role === 'admin') return undefined;
  if (access === 'admin') return 'is no administrator';
  return mayDo(caller, access) ? undefined : `lacks the permission "${access}"`;
}

/** What a request is about, as the log names streams. */
function subjectOf(params: Readonly<Record<string, string>>): string {
  const { pipeline, stage, cluster, repository } = params;
  if (pipeline !== undefined) return `pipeline/${[pipeline, stage].filter(Boolean).join('/')}`;
  if (cluster !== undefined) return `cluster/${cluster}`;
  return repository === undefined ? 'hub' : `repository/${repository}`;
}

/** A read that names a position shows nothing older: it waits for it, for a bounded time. */
export async function waitForPosition(
  context: Context<HttpEnvironment>,
  { readModel }: Pick<HttpApiOptions, 'readModel'>,
): Promise<void> {
  const text = context.req.query('atPosition') ?? context.req.header(minPositionHeader);
  if (text === undefined) return;
  const position = Number(text);
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new ProblemError(
      problem('request_invalid', 'The position to wait for is not a number of the log.', [
        { path: 'atPosition', message: 'must be a whole number, as X-Fairlead-Position gave it' },
      ]),
    );
  }
  if (await readModel.waitFor(position, readYourWritesTimeoutMs)) return;
  throw new ProblemError(
    problem(
      'unavailable',
      `This hub has read the log up to ${readModel.position()}, not yet up to ${position}.`,
    ),
  );
}

import type { HttpBindings } from '@hono/node-server';
import type { Authenticated } from '../auth/tokens/index.ts';

/** What the middleware leaves for handlers. */
export type HttpEnvironment = {
  Bindings: Partial<HttpBindings>;
  Variables: { requestId: string; caller?: Authenticated };
};

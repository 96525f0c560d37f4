import { ProblemError, problem } from '@fairlead/shared/problem';
import type { Context } from 'hono';
import type { HttpEnvironment } from './environment.ts';

/** Reads the body and stops as soon as it is larger than the limit, whatever its length header says. */
export async function readBody(
  context: Context<HttpEnvironment>,
  bytesMax: number,
): Promise<Buffer> {
  const tooLarge = () =>
    new ProblemError(problem('payload_too_large', `A request takes at most ${bytesMax} bytes.`));
  if (Number(context.req.header('content-length') ?? 0) > bytesMax) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of context.req.raw.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

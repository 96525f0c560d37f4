import { ProblemError, problem } from '@fairlead/shared/problem';
import type { PageRequest, Page as View } from '../read-model/index.ts';
import type { Page } from './schemas.ts';

/** A cursor is the key after which the next page starts, made opaque: clients only hand it back. */
export const encodeCursor = (key: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(key)).toString('base64url');

export function decodeCursor(cursor: string, path = 'cursor'): (string | number)[] {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const whole =
      Array.isArray(key) &&
      key.length <= 8 &&
      key.every((part) => typeof part === 'string' || typeof part === 'number');
    if (whole) return key;
  } catch {
    // Said below, the same for every way in which it can be wrong.
  }
  throw new ProblemError(
    problem('request_invalid', 'The cursor is not one of this API.', [
      { path, message: 'must be the `nextCursor` of the page before, unchanged' },
    ]),
  );
}

export const pageRequest = (query: { limit: number; cursor?: string }): PageRequest => ({
  limit: query.limit,
  ...(query.cursor === undefined ? {} : { after: decodeCursor(query.cursor) }),
});

export const pageDocument = <Row, Document>(
  page: View<Row>,
  document: (row: Row) => Document,
): Page<Document> => ({
  items: page.items.map(document),
  ...(page.next ? { nextCursor: encodeCursor(page.next) } : {}),
});

/** What a query takes of a page: `after` is the key of the last item that the caller has. */
export type PageRequest = { readonly limit: number; readonly after?: readonly (string | number)[] };

/** `next` is the key to ask for the following page with; without it there is none. */
export type Page<Item> = { readonly items: Item[]; readonly next?: readonly (string | number)[] };

/** Makes a page of one row more than it holds, so that the last page is known as such. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => readonly (string | number)[],
): Page<Row> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: keyOf(last) } : { items };
}

/** A text of the key after which a page starts; the empty text is before every name. */
export const afterText = (page: PageRequest, index = 0): string =>
  String(page.after?.[index] ?? '');

/** A number of the key; `first` where the page is the first one. */
export function afterNumber(page: PageRequest, first: number, index = 0): number {
  const value = Number(page.after?.[index] ?? first);
  return Number.isSafeInteger(value) ? value : first;
}

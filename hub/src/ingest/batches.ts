/**
 * What has arrived since the last turn, as one batch of at most `lengthMax`. Reads ahead no further than one batch, so a
 * slow consumer slows its source down.
 */
export async function* inBatches<Item>(
  source: AsyncIterable<Item>,
  lengthMax: number,
): AsyncGenerator<Item[], void, void> {
  const buffer: Item[] = [];
  let arrived = Promise.withResolvers<void>();
  let taken = Promise.withResolvers<void>();
  let ended: { readonly error?: unknown } | undefined;
  let left = false;
  const read = async () => {
    try {
      for await (const item of source) {
        buffer.push(item);
        arrived.resolve();
        if (buffer.length >= lengthMax) await taken.promise;
        if (left) break;
      }
      ended = {};
    } catch (error) {
      ended = { error };
    }
    arrived.resolve();
  };
  void read();
  try {
    for (;;) {
      await arrived.promise;
      arrived = Promise.withResolvers();
      const batch = buffer.splice(0);
      taken.resolve();
      taken = Promise.withResolvers();
      if (batch.length > 0) yield batch;
      if (ended !== undefined && buffer.length === 0) {
        if ('error' in ended) throw ended.error;
        return;
      }
      if (buffer.length > 0) arrived.resolve();
    }
  } finally {
    left = true;
    taken.resolve();
  }
}

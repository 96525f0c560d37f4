import { createBreath } from './breath.ts';

/** Runs the task for every item, at most `inFlightMax` at once, and gives the results in the items' order. */
export async function inParallel<Item, Value>(
  items: readonly Item[],
  inFlightMax: number,
  task: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const results: Value[] = new Array(items.length);
  const breath = createBreath();
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const pause = breath();
      if (pause) await pause;
      results[index] = await task(items[index] as Item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlightMax, items.length) }, worker));
  return results;
}

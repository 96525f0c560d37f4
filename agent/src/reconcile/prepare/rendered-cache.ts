import type { KubernetesObject } from '@fairlead/shared/manifest';
import type { UnitId } from '../../domain/link/index.ts';
import { renderedBytesMax } from '../../limits.ts';

type Rendered = { readonly texts: ReadonlyMap<string, string>; readonly bytes: number };

/** Stamped objects of settled units as text, for repairs at once; the least recently used units go when it is full. */
export type RenderedCache = {
  readonly put: (unit: UnitId, objects: ReadonlyMap<string, string>) => void;
  readonly get: (unit: UnitId, text: string) => KubernetesObject | undefined;
  readonly remove: (unit: UnitId) => void;
};

export function createRenderedCache(bytesMax = renderedBytesMax): RenderedCache {
  const units = new Map<UnitId, Rendered>();
  let bytes = 0;

  const remove = (unit: UnitId) => {
    bytes -= units.get(unit)?.bytes ?? 0;
    units.delete(unit);
  };

  return {
    put: (unit, texts) => {
      remove(unit);
      const size = [...texts.values()].reduce((sum, text) => sum + text.length, 0);
      if (size > bytesMax) return;
      units.set(unit, { texts, bytes: size });
      bytes += size;
      for (const oldest of units.keys()) {
        if (bytes <= bytesMax) break;
        remove(oldest);
      }
    },
    get: (unit, text) => {
      const rendered = units.get(unit);
      if (!rendered) return undefined;
      units.delete(unit);
      units.set(unit, rendered);
      const body = rendered.texts.get(text);
      return body === undefined ? undefined : (JSON.parse(body) as KubernetesObject);
    },
    remove,
  };
}

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { chartFilesLookedAtMax, smallFileBytesMax } from '../limits.ts';

const lookupPattern = /\{\{[^}]*\blookup\s+["'(.$]/;

/** Whether a template of a chart, or of an unpacked one below `charts/`, calls `lookup`. */
export function usesLookup(chart: string): boolean {
  const pending = [chart];
  let looked = 0;
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (++looked > chartFilesLookedAtMax) return false;
      const file = join(folder, entry.name);
      if (entry.isDirectory()) pending.push(file);
      else if (entry.isFile() && /\.(?:ya?ml|tpl|txt)$/.test(entry.name)) {
        const { size } = statSync(file);
        if (size > smallFileBytesMax) continue;
        const text = readFileSync(file, 'utf8');
        if (text.includes('lookup') && lookupPattern.test(text)) return true;
      }
    }
  }
  return false;
}

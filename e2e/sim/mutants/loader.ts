import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Mutant } from './mutants.ts';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The text with the mutation; throws when what is to be changed is not there exactly once. */
export function mutate({ name, file, find, replace }: Mutant, text: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(
      `mutant "${name}": its text is ${parts.length - 1} times in ${file}, not once. ` +
        'The source has changed: change the mutant with it.',
    );
  }
  return parts.join(replace);
}

/** From now on this thread loads the mutated source in place of the real one; it must not be loaded yet. */
export function installMutant(mutant: Mutant): { readonly wasLoaded: () => boolean } {
  let wasLoaded = false;
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context);
      if (!url.startsWith('file:') || fileURLToPath(url) !== root + mutant.file) return loaded;
      wasLoaded = true;
      return { ...loaded, source: mutate(mutant, String(loaded.source)) };
    },
  });
  return { wasLoaded: () => wasLoaded };
}

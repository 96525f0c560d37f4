import picomatch from 'picomatch';

export type PathFilter = (path: string) => boolean;

/** Whether a path is included and not excluded. Dot files count; a `!` in a pattern has no special meaning. */
export function createPathFilter(
  include: readonly string[],
  exclude: readonly string[],
): PathFilter {
  const options = { dot: true, nonegate: true };
  const included = picomatch([...include], options);
  if (exclude.length === 0) return (path) => included(path);
  const excluded = picomatch([...exclude], options);
  return (path) => included(path) && !excluded(path);
}

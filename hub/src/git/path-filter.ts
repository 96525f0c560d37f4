import picomatch from 'picomatch';

export type PathFilter = (path: string) => boolean;

/**
 * Whether a path is included and not excluded. Dot files count; a `!` in a pattern has no special meaning. Patterns are
 * compiled at the first path, because most filters of a look see none.
 */
export function createPathFilter(
  include: readonly string[],
  exclude: readonly string[],
): PathFilter {
  let compiled: PathFilter | undefined;
  return (path) => {
    compiled ??= compile(include, exclude);
    return compiled(path);
  };
}

function compile(include: readonly string[], exclude: readonly string[]): PathFilter {
  const options = { dot: true, nonegate: true };
  const included = picomatch([...include], options);
  const excluded = picomatch([...exclude], options);
  return exclude.length === 0
    ? (path) => included(path)
    : (path) => included(path) && !excluded(path);
}

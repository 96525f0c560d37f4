import picomatch from 'picomatch';
import { globsMax } from './limits.ts';
import { fault, type Node, readLimitedList, readText } from './reader.ts';

const pathLengthMax = 1_024;
const placeholder = /\$\{cluster\.(name|labels\.[A-Za-z0-9._/-]+)\}/g;

/** A path below the repository's top: nothing may lead out of it, and only the cluster's values may be filled in. */
export function checkPath(node: Node, path: string): void {
  const literal = path.replaceAll(placeholder, 'x');
  if (literal.includes('${')) {
    fault(node, 'may use ${cluster.name} and ${cluster.labels.<key>} only');
  }
  checkInside(node, literal);
}

/** A path that is the same for every cluster. */
export function checkPlainPath(node: Node, path: string): void {
  if (path.includes('${')) fault(node, 'may not use ${…}: the file is the same for every cluster');
  checkInside(node, path);
}

export function checkGlob(node: Node, glob: string): void {
  checkInside(node, glob);
  if (glob.startsWith('!')) fault(node, 'must not start with "!": use exclude');
  try {
    picomatch.makeRe(glob, { dot: true, nonegate: true, strictBrackets: true });
  } catch {
    fault(node, 'is no glob pattern');
  }
}

export const readGlobs = (node: Node): string[] =>
  readLimitedList(node, globsMax).map((each) => {
    const glob = readText(each);
    if (glob !== '') checkGlob(each, glob);
    return glob;
  });

function checkInside(node: Node, path: string): void {
  if (path.startsWith('/'))
    fault(node, 'must not start with "/": it counts from the repository’s top');
  if (path.split('/').includes('..')) fault(node, 'must not leave the repository with ".."');
  if (path.includes('\\')) fault(node, 'must be written with "/"');
  if (hasControlCharacter(path)) fault(node, 'must not hold control characters');
  if (path.length > pathLengthMax) fault(node, `must have at most ${pathLengthMax} characters`);
}

const hasControlCharacter = (text: string): boolean =>
  [...text].some((character) => (character.codePointAt(0) ?? 0) < 32);

const scpForm = /^(?:[^@/\s]+@)?(?<host>[^:/\s]+):(?!\/\/)(?<path>\S*)$/;

/**
 * One text for every way to write a repository's address: the transport, user, port, a trailing `.git` or slash, percent
 * escapes and the case of letters make no other repository. Two names of one host cannot be told to be the same.
 */
export function repositoryIdentity(url: string): string {
  const scp = URL.canParse(url) && url.includes('://') ? undefined : scpForm.exec(url)?.groups;
  const { host = '', path = url } = scp ?? partsOf(url);
  const plain = decoded(path)
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
    .replace(/\.git$/i, '');
  return `${host}/${plain}`.toLowerCase();
}

function partsOf(url: string): { host?: string; path?: string } {
  if (!URL.canParse(url)) return {};
  const { hostname, pathname } = new URL(url);
  return { host: hostname, path: pathname };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

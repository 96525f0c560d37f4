// What children see of this process's environment.

/**
 * The variables without which programs do not find each other. All else stays behind, so that a test
 * does not depend on who runs it (a GIT_DIR of a hook, a KUBECONFIG, a proxy).
 */
export function inheritedEnvironment(): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const name of ['PATH', 'HOME', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) inherited[name] = value;
  }
  return inherited;
}

/** Git without the user's and the machine's configuration, and without questions at a terminal. */
export function gitEnvironment(): Record<string, string> {
  return {
    ...inheritedEnvironment(),
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
  };
}

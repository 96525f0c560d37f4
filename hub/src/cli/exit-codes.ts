/** What the exit code of `fairlead` says; a script may rely on these. */
export const exitCodes = {
  /** Done, or what was waited for has happened. */
  ok: 0,
  /** The hub refused it, it failed, or what was waited for cannot happen any more. */
  refused: 1,
  /** The command line is not right; nothing was sent. */
  usage: 2,
  /** Nothing has that name. */
  notFound: 3,
  /** The hub does not answer, or says that it is not available. */
  unreachable: 4,
  /** What was waited for has not happened in time. */
  timeout: 5,
  /** With `--exit-code`: something would change. */
  differs: 6,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeHelp = `
Exit codes:
  0  done
  1  refused or failed
  2  wrong usage; nothing was sent
  3  not found
  4  the hub is unreachable
  5  timed out while waiting
  6  something would change (plan and diff with --exit-code)`;

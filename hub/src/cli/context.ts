/** All that a command may touch beside the hub; `main.ts` makes the real one. */
export type CliContext = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** Standard input as text, within a limit. */
  readonly readInput: () => Promise<string>;
  readonly now: () => number;
  /** Width of the terminal; none where the output is not one. */
  readonly columns: number | undefined;
  readonly signal: AbortSignal;
  /** Becomes another program of the workspace; does not return. */
  readonly becomeProgram: (program: Program, args?: readonly string[]) => Promise<never>;
};

/** `health` judges files by the agent's rules. */
export type Program = 'hub' | 'agent' | 'health';

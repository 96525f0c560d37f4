/** What happened, in lines for people, and a hash over every step for the proof that two runs are the same. */
export type Trace = {
  readonly say: (line: string) => void;
  /** Counts in the hash, and is not shown. */
  readonly note: (step: string) => void;
  readonly lines: () => readonly string[];
  readonly hash: () => string;
};

export function createTrace(nowMs: () => number): Trace {
  const lines: string[] = [];
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  const note = (step: string) => {
    const text = `${nowMs()} ${step}`;
    for (let index = 0; index < text.length; index++) {
      low = Math.imul(low ^ text.charCodeAt(index), 0x01000193);
      high = Math.imul(high ^ text.charCodeAt(index), 0x85ebca6b) ^ (high >>> 15);
    }
  };
  return {
    note,
    say: (line) => {
      note(line);
      lines.push(`${(nowMs() / 1_000).toFixed(3).padStart(9)}s  ${line}`);
    },
    lines: () => lines,
    hash: () => [low, high].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join(''),
  };
}

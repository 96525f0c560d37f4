import { err, ok, type Result } from '@fairlead/shared/result';

export type SignedCommit = {
  /** The very bytes that were signed: the commit object without its signature headers. */
  readonly payload: Buffer;
  /** Armoured; undefined when the commit has none. */
  readonly signature: string | undefined;
  /** Committer's time, as the commit states it. */
  readonly committedAtMs: number;
};

const committerPattern = /^committer .*> (\d{1,11}) [+-]\d{4}$/;

/**
 * Takes a commit object apart as Git does: a header goes to the end of its line and over the lines after it that begin
 * with a space. Each digest has its header, `gpgsig` for SHA-1 and `gpgsig-sha256` for SHA-256; neither is part of what
 * either of them signs. Unlike Git it refuses a second signature header rather than joining the two.
 */
export function readSignedCommit(data: Buffer, idLength: number): Result<SignedCommit, string> {
  const wanted = idLength === 64 ? 'gpgsig-sha256' : 'gpgsig';
  const payload: Buffer[] = [];
  const signature: string[] = [];
  let header = '';
  let committedAtMs: number | undefined;
  let start = 0;
  while (start < data.length && data[start] !== 0x0a) {
    const newline = data.indexOf(0x0a, start);
    const end = newline === -1 ? data.length : newline + 1;
    const line = data.subarray(start, end);
    start = end;
    const text = line.toString('latin1').replace(/\n$/, '');
    const isContinued = text.startsWith(' ');
    if (!isContinued) header = text.split(' ', 1)[0] ?? '';
    if (header === 'gpgsig' || header === 'gpgsig-sha256') {
      if (header !== wanted) continue;
      if (!isContinued && signature.length > 0) {
        return err('the commit has more than one signature header');
      }
      signature.push(isContinued ? text.slice(1) : text.slice(wanted.length + 1));
      continue;
    }
    payload.push(line);
    const seconds = isContinued ? undefined : committerPattern.exec(text)?.[1];
    if (seconds !== undefined) committedAtMs ??= Number(seconds) * 1_000;
  }
  payload.push(data.subarray(start));
  if (committedAtMs === undefined) return err('the commit states no committer and time');
  return ok({
    payload: Buffer.concat(payload),
    signature: signature.length === 0 ? undefined : signature.join('\n'),
    committedAtMs,
  });
}

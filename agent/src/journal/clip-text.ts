/** Cuts text to a number of UTF-8 bytes at a character's end and marks the cut. */
export function clipText(text: string, bytesMax: number): string {
  if (text.length <= bytesMax / 3 || Buffer.byteLength(text) <= bytesMax) return text;
  const mark = '…';
  const kept = Buffer.from(text).subarray(0, bytesMax - Buffer.byteLength(mark));
  return kept.toString('utf8').replace(/\uFFFD+$/, '') + mark;
}

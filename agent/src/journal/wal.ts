import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';

const headerBytes = 32;
const frameHeaderBytes = 24;
/** Of both magic numbers the last bit tells the byte order of the checksums. */
const magicBase = 0x377f0682;

type Sums = [number, number];

/**
 * Looks for writes in SQLite's write-ahead log that SQLite would skip without a word: it stops at the first frame whose
 * checksum is wrong, so a flipped bit takes every later transaction back. Returns what is wrong, or undefined.
 * The format is https://www.sqlite.org/fileformat2.html#the_write_ahead_log; frames of an earlier log carry other salts.
 */
export function walFault(databaseFile: string): string | undefined {
  const file = `${databaseFile}-wal`;
  if (!existsSync(file)) return undefined;
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    if (size < headerBytes) return undefined;
    const header = Buffer.alloc(headerBytes);
    readSync(handle, header, 0, headerBytes, 0);
    const magic = header.readUInt32BE(0);
    if (magic !== magicBase && magic !== magicBase + 1) return 'the log header is damaged';
    const bigEndian = magic === magicBase + 1;
    let sums = addSums([0, 0], header.subarray(0, 24), bigEndian);
    if (!hasSums(header, 24, sums)) return 'the log header has another checksum';

    const pageBytes = header.readUInt32BE(8);
    const frame = Buffer.alloc(frameHeaderBytes + pageBytes);
    const salts = header.subarray(16, 24);
    let firstBad: number | undefined;
    for (let index = 0; ; index++) {
      const offset = headerBytes + index * frame.length;
      if (offset + frame.length > size) return undefined;
      readSync(handle, frame, 0, frame.length, offset);
      const ours = frame.subarray(8, 16).equals(salts);
      if (firstBad !== undefined) {
        if (ours) return `log frame ${firstBad} is damaged and newer frames follow`;
        continue;
      }
      const next = addSums(
        addSums(sums, frame.subarray(0, 8), bigEndian),
        frame.subarray(frameHeaderBytes),
        bigEndian,
      );
      if (ours && hasSums(frame, 16, next)) sums = next;
      else if (ours) return `log frame ${index} has another checksum`;
      else firstBad = index;
    }
  } finally {
    closeSync(handle);
  }
}

function addSums(start: Sums, data: Buffer, bigEndian: boolean): Sums {
  let [first, second] = start;
  for (let offset = 0; offset < data.length; offset += 8) {
    const left = bigEndian ? data.readUInt32BE(offset) : data.readUInt32LE(offset);
    const right = bigEndian ? data.readUInt32BE(offset + 4) : data.readUInt32LE(offset + 4);
    first = (first + left + second) >>> 0;
    second = (second + right + first) >>> 0;
  }
  return [first, second];
}

const hasSums = (data: Buffer, offset: number, sums: Sums): boolean =>
  data.readUInt32BE(offset) === sums[0] && data.readUInt32BE(offset + 4) === sums[1];

const blockBytes = 512;

/** A file of an archive, as tar writes it; two empty blocks end the archive. */
export function tarFile(name: string, text: string | Buffer): Buffer {
  const content = Buffer.from(text);
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  // The sum counts its own field as blanks.
  header.write('00000000000\0        0', 136);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes);
  return Buffer.concat([header, content, padding]);
}

/** Reads the fields of SSH's binary format (RFC 4251 §5); each throws a `SshFormatError` where the data ends too soon. */
export type SshReader = {
  readonly bytes: (length: number) => Buffer;
  readonly uint32: () => number;
  /** A length and so many bytes. */
  readonly string: () => Buffer;
  readonly text: () => string;
  /** A positive multiple-precision integer, without leading zeros. */
  readonly integer: () => Buffer;
  readonly end: () => void;
};

export class SshFormatError extends Error {
  override name = 'SshFormatError';
}

export function readSsh(data: Buffer): SshReader {
  let offset = 0;
  const bytes = (length: number): Buffer => {
    if (offset + length > data.length) throw new SshFormatError('the data is cut off');
    offset += length;
    return data.subarray(offset - length, offset);
  };
  const uint32 = (): number => bytes(4).readUInt32BE(0);
  const string = (): Buffer => bytes(uint32());
  return {
    bytes,
    uint32,
    string,
    text: () => string().toString('latin1'),
    integer: () => {
      const value = string();
      if (((value[0] ?? 0) & 0x80) !== 0) throw new SshFormatError('an integer is negative');
      const first = value.findIndex((byte) => byte !== 0);
      return first === -1 ? Buffer.alloc(0) : value.subarray(first);
    },
    end: () => {
      if (offset !== data.length) throw new SshFormatError('something follows the end');
    },
  };
}

export const sshString = (value: Buffer | string): Buffer => {
  const content = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};

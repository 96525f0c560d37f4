import { err, ok, type Result } from '@fairlead/shared/result';
import { readSshKey } from './ssh-key.ts';

/** A line of an allowed signers file (ssh-keygen(1), ALLOWED SIGNERS) or of a plain public key. */
export type SshSigner = {
  readonly principals: string;
  readonly fingerprint: string;
  /** Patterns of what the key may sign; undefined is everything. */
  readonly namespaces: readonly string[] | undefined;
  readonly validAfterMs: number;
  readonly validBeforeMs: number;
};

export type SignersFile = {
  readonly signers: readonly SshSigner[];
  /** What was wrong, each with its line; such a line gives no trust, and the others count. */
  readonly faults: readonly string[];
};

const fieldPattern = /^(?:[^\s"]|"[^"]*")+/;

/** `withPrincipals` is the allowed signers format; without it each line is `type base64 comment`. */
export function readSigners(text: string, withPrincipals: boolean): SignersFile {
  const signers: SshSigner[] = [];
  const faults: string[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const signer = withPrincipals ? readAllowed(line) : readPlain(line);
    if (signer.ok) signers.push(signer.value);
    else faults.push(`line ${index + 1} ${signer.error}`);
  }
  return { signers, faults };
}

function readPlain(line: string): Result<SshSigner, string> {
  const [type = '', key = '', ...comment] = line.split(/\s+/);
  const fingerprint = fingerprintOf(type, key);
  if (!fingerprint.ok) return fingerprint;
  return ok({
    principals: comment.join(' ') || fingerprint.value,
    fingerprint: fingerprint.value,
    namespaces: undefined,
    validAfterMs: Number.NEGATIVE_INFINITY,
    validBeforeMs: Number.POSITIVE_INFINITY,
  });
}

function readAllowed(line: string): Result<SshSigner, string> {
  const fields: string[] = [];
  for (let rest = line; rest !== ''; ) {
    const field = fieldPattern.exec(rest)?.[0];
    if (field === undefined) return err('has a quote without its end');
    fields.push(field);
    rest = rest.slice(field.length).trimStart();
  }
  const [principals = '', ...more] = fields;
  const isKeyType = /^(?:ssh-|ecdsa-|sk-)/.test(more[0] ?? '');
  const options = isKeyType ? '' : (more.shift() ?? '');
  const fingerprint = fingerprintOf(more[0] ?? '', more[1] ?? '');
  if (!fingerprint.ok) return fingerprint;
  const read = readOptions(options);
  if (!read.ok) return read;
  return ok({ principals: unquoted(principals), fingerprint: fingerprint.value, ...read.value });
}

type SignerOptions = Pick<SshSigner, 'namespaces' | 'validAfterMs' | 'validBeforeMs'>;

function readOptions(text: string): Result<SignerOptions, string> {
  let namespaces: string[] | undefined;
  let validAfterMs = Number.NEGATIVE_INFINITY;
  let validBeforeMs = Number.POSITIVE_INFINITY;
  for (const option of text.match(/(?:[^,"]|"[^"]*")+/g) ?? []) {
    const equals = option.indexOf('=');
    const name = (equals === -1 ? option : option.slice(0, equals)).toLowerCase();
    const value = equals === -1 ? '' : unquoted(option.slice(equals + 1));
    if (name === 'cert-authority') return err('is for certificates, which are not supported');
    if (name === 'namespaces') namespaces = value.split(',');
    else if (name === 'valid-after' || name === 'valid-before') {
      const time = readTime(value);
      if (time === undefined) return err(`has no time YYYYMMDD[HHMM[SS]][Z] in ${name}`);
      if (name === 'valid-after') validAfterMs = time;
      else validBeforeMs = time;
    } else return err(`has the unknown option ${JSON.stringify(name)}`);
  }
  return ok({ namespaces, validAfterMs, validBeforeMs });
}

/** Without a zone it is UTC, as the clocks of clusters are. */
function readTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?Z?$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0));
  const time = Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second);
  // A 31st of February would roll over into March.
  return new Date(time).getUTCDate() === day ? time : undefined;
}

function fingerprintOf(type: string, base64: string): Result<string, string> {
  if (!/^[A-Za-z0-9+/]+=*$/.test(base64)) return err('holds no public key');
  const blob = Buffer.from(base64, 'base64');
  const key = readSshKey(blob);
  if (!key.ok) return err(`holds a key that ${key.error}`);
  const named = blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1');
  return named === type ? ok(key.value.fingerprint) : err('names another type than its key has');
}

const unquoted = (text: string): string => text.replaceAll('"', '');

/** A list of patterns with `*`, `?` and a leading `!` for what is not meant, as OpenSSH matches it. */
export function matchesPatterns(patterns: readonly string[], text: string): boolean {
  let matches = false;
  for (const pattern of patterns) {
    const isNegated = pattern.startsWith('!');
    const source = (isNegated ? pattern.slice(1) : pattern)
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    if (!new RegExp(`^${source}$`).test(text)) continue;
    if (isNegated) return false;
    matches = true;
  }
  return matches;
}

import { parseAllDocuments } from 'yaml';

/** The formats of `sops --input-type`. */
export type SopsFormat = 'yaml' | 'json' | 'dotenv' | 'ini' | 'binary';

/** How SOPS goes by a name: what it does not know is binary, which is kept in JSON. */
export function sopsFormatOf(name: string): SopsFormat {
  if (/\.ya?ml$/.test(name)) return 'yaml';
  if (name.endsWith('.json')) return 'json';
  if (name.endsWith('.env')) return 'dotenv';
  return name.endsWith('.ini') ? 'ini' : 'binary';
}

/** Whether SOPS encrypted a text of this format: each of them keeps SOPS's metadata in clear. */
export function isSopsEncrypted(text: string, format: SopsFormat): boolean {
  if (!text.includes('sops') || !text.includes('ENC[')) return false;
  switch (format) {
    case 'dotenv':
      return /^sops_mac=/m.test(text) && /^sops_version=/m.test(text);
    case 'ini':
      return /^\[sops\]/m.test(text);
    default:
      return /^\s*"?sops"?\s*:/m.test(text) && hasMetadata(text);
  }
}

function hasMetadata(text: string): boolean {
  try {
    return parseAllDocuments(text, { logLevel: 'error' }).some((document) =>
      hasSopsMetadata(document.toJS({ maxAliasCount: 100 })),
    );
  } catch {
    // Not to be read: whoever reads the manifest says so with its place.
    return false;
  }
}

/** Whether an object carries what SOPS adds to what it encrypts. */
export function hasSopsMetadata(value: unknown): boolean {
  const sops = (value as { sops?: unknown } | null | undefined)?.sops as
    | { mac?: unknown; version?: unknown }
    | null
    | undefined;
  return typeof sops?.mac === 'string' && typeof sops.version === 'string';
}

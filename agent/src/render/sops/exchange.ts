import type { KubernetesObject } from '@fairlead/shared/manifest';
import { ok, type Result } from '@fairlead/shared/result';
import { parseAllDocuments } from 'yaml';
import { type RenderFailure, renderFailure } from '../failure.ts';
import { hasSopsMetadata } from './detect.ts';

/**
 * What takes the place of ciphertext after a build. A build passes SOPS's ciphertext through as the text that it is, and
 * each is unique (SOPS draws a new initialisation vector for each value), so nothing in clear needs to be where a tool
 * can read it: the MAC is checked on the files as they are in the commit, and the values are exchanged afterwards.
 */
export type Exchange = {
  /** From `ENC[…]` to the value, of manifests and dotenv files. */
  readonly values: Map<string, unknown>;
  /** From a whole encrypted file, as base64 as it stands in a generated Secret, to its cleartext in base64. */
  readonly files: Map<string, string>;
};

export const emptyExchange = (): Exchange => ({ values: new Map(), files: new Map() });

const ciphertextPattern = /^ENC\[AES256_GCM,/;

/** Notes the values of an encrypted manifest beside those of its cleartext. */
export function addManifest(
  exchange: Exchange,
  place: string,
  encrypted: string,
  clear: string,
): Result<void, RenderFailure> {
  const [encryptedDocuments, clearDocuments] = [encrypted, clear].map((text) =>
    parseAllDocuments(text, { merge: true, logLevel: 'silent' }).map((document) =>
      document.toJS({ maxAliasCount: 1_000 }),
    ),
  );
  for (const [index, document] of (encryptedDocuments ?? []).entries()) {
    const { apiVersion, kind, metadata } = (document ?? {}) as Partial<KubernetesObject>;
    if ([apiVersion, kind, metadata?.name].some((text) => ciphertextPattern.test(String(text)))) {
      return renderFailure(
        'object_invalid',
        `${place}: kustomize must be able to read apiVersion, kind and metadata. Encrypt the values alone, with ` +
          "`encrypted_regex: ^(data|stringData)$` in .sops.yaml, or take the kustomization's other files out of the folder.",
      );
    }
    collect(document, clearDocuments?.[index], exchange.values);
  }
  return ok(undefined);
}

function collect(encrypted: unknown, clear: unknown, into: Map<string, unknown>): void {
  if (typeof encrypted === 'string') {
    if (ciphertextPattern.test(encrypted) && clear !== undefined) into.set(encrypted, clear);
    return;
  }
  if (typeof encrypted !== 'object' || encrypted === null) return;
  if (typeof clear !== 'object' || clear === null) return;
  for (const [key, value] of Object.entries(encrypted)) {
    collect(value, (clear as Record<string, unknown>)[key], into);
  }
}

/** Notes the lines of an encrypted dotenv file. */
export function addDotenv(exchange: Exchange, encrypted: string, clear: string): void {
  const clearLines = new Map(dotenvLines(clear));
  for (const [name, value] of dotenvLines(encrypted)) {
    const cleartext = clearLines.get(name);
    if (ciphertextPattern.test(value) && cleartext !== undefined) {
      exchange.values.set(value, cleartext);
    }
  }
}

const dotenvLines = (text: string): [string, string][] =>
  text.split('\n').flatMap((line) => {
    const end = line.indexOf('=');
    return end === -1 || line.startsWith('#') ? [] : [[line.slice(0, end), line.slice(end + 1)]];
  });

export type Exchanged = {
  readonly objects: KubernetesObject[];
  /** Indices of objects that hold what was decrypted. */
  readonly decrypted: readonly number[];
};

/** Puts cleartext in the place of ciphertext and takes SOPS's metadata away; no ciphertext is left, or it fails. */
export function exchangeAll(
  objects: readonly KubernetesObject[],
  exchange: Exchange,
): Result<Exchanged, RenderFailure> {
  const decrypted: number[] = [];
  const exchanged: KubernetesObject[] = [];
  for (const [index, object] of objects.entries()) {
    const open = hasSopsMetadata(object)
      ? openManifest(object, exchange)
      : isCoreSecret(object)
        ? openGenerated(object, exchange)
        : object;
    const left = ciphertextPath(open);
    if (left !== undefined) {
      const { kind, metadata } = object;
      return renderFailure(
        'decryption_failed',
        `${kind} ${metadata.name}: ${left} holds ciphertext of SOPS that stands in no encrypted file of the unit, or not in ` +
          'its object any more. Values may be encrypted in manifests, in the files of a secretGenerator and in ' +
          'Helm values files.',
      );
    }
    if (open !== object) decrypted.push(index);
    exchanged.push(open);
  }
  return ok({ objects: exchanged, decrypted });
}

const isCoreSecret = ({ apiVersion, kind }: KubernetesObject): boolean =>
  apiVersion === 'v1' && kind === 'Secret';

function openManifest({ sops: _, ...object }: KubernetesObject, { values }: Exchange) {
  return openValue(object, values) as KubernetesObject;
}

function openValue(value: unknown, values: Exchange['values']): unknown {
  if (typeof value === 'string') return values.has(value) ? values.get(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((inner) => openValue(inner, values));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, openValue(inner, values)]),
  );
}

/** A Secret that kustomize made of encrypted files: its values are base64 of what stands in the files. */
function openGenerated(object: KubernetesObject, { values, files }: Exchange): KubernetesObject {
  const data = Object.entries((object.data ?? {}) as Record<string, unknown>);
  let isOpened = false;
  const opened = data.flatMap(([name, value]): [string, unknown][] => {
    if (typeof value !== 'string') return [[name, value]];
    // kustomize breaks long values into lines.
    const file = files.get(value.replaceAll(/\s/g, ''));
    if (file !== undefined) {
      isOpened = true;
      return [[name, file]];
    }
    const text = Buffer.from(value, 'base64').toString('utf8');
    if (!values.has(text)) return [[name, value]];
    isOpened = true;
    return [[name, Buffer.from(String(values.get(text))).toString('base64')]];
  });
  if (!isOpened) return object;
  // SOPS keeps its metadata among the entries of a dotenv file.
  const isDotenv = data.some(([name]) => name === 'sops_mac');
  return {
    ...object,
    data: Object.fromEntries(
      isDotenv ? opened.filter(([name]) => !name.startsWith('sops_')) : opened,
    ),
  };
}

/** Where ciphertext stands, also below base64 in a Secret. */
function ciphertextPath(value: unknown, path = '', depth = 0): string | undefined {
  if (typeof value === 'string') {
    if (ciphertextPattern.test(value)) return path;
    const isEncoded = value.startsWith('RU5DW0FFUzI1Nl9HQ0') && path.startsWith('data.');
    return isEncoded ? path : undefined;
  }
  if (typeof value !== 'object' || value === null || depth > 100) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = ciphertextPath(inner, path === '' ? key : `${path}.${key}`, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '@fairlead/shared/result';
import { sopsFileBytesMax } from '../../limits.ts';
import { type RenderFailure, renderFailure } from '../failure.ts';
import type { ToolFailure } from '../run-tool.ts';
import type { SopsFormat } from './detect.ts';
import { startKeyService } from './key-service.ts';
import type { KeyRequest } from './key-service-wire.ts';
import type { SopsKeys } from './keyring.ts';

export type EncryptedFile = {
  /** In the repository, for messages. */
  readonly place: string;
  readonly format: SopsFormat;
  readonly content: Buffer;
};

/** Gives the cleartext, which lives in memory only. */
export type DecryptFile = (file: EncryptedFile) => Promise<Result<Buffer, RenderFailure>>;

/** Runs sops with these arguments and this input. */
export type RunSops = (
  parameters: readonly string[],
  input: Buffer,
) => Promise<Result<Buffer, ToolFailure>>;

/** `cmd/sops/codes/codes.go` */
const exitCodes = { macMismatch: 51, keyNotRetrieved: 128 };

/**
 * Decrypts with the real sops, which checks each file's MAC, and which asks this process for data keys over a socket
 * below `directory`. The file goes in by standard input and comes out by standard output. What sops says of a failure is
 * not passed on, because it may quote what it decrypted.
 */
export function createFileDecrypter(
  keys: SopsKeys,
  directory: string,
  runSops: RunSops,
): DecryptFile {
  const done = new Map<string, ReturnType<DecryptFile>>();

  const decrypt = async ({ place, format, content }: EncryptedFile): ReturnType<DecryptFile> => {
    const refusals: Refusal[] = [];
    // A socket each, in a folder that only this user may enter: whoever reaches it is answered with data keys.
    const folder = await mkdtemp(join(directory, 'k-'));
    try {
      await using service = await startKeyService(folder, async (request) => {
        const key = await keys.decryptKey(request);
        if (!key.ok) refusals.push({ request, reason: key.error });
        return key;
      });
      const result = await runSops(
        ['decrypt', '--enable-local-keyservice=false', '--keyservice', service.address].concat(
          ['--input-type', format],
          ['--output-type', format],
          ['--filename-override', `file.${format}`],
        ),
        content,
      );
      return result.ok ? result : sopsFailure(place, keys.place, result.error, refusals);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  return async (file) => {
    if (file.content.length > sopsFileBytesMax) {
      return renderFailure(
        'limit_exceeded',
        `${file.place}: an encrypted file has over ${sopsFileBytesMax} bytes`,
      );
    }
    const key = createHash('sha256').update(file.format).update(file.content).digest('hex');
    const known = done.get(key) ?? decrypt(file);
    done.set(key, known);
    return known;
  };
}

type Refusal = { readonly request: KeyRequest; readonly reason: string };

function sopsFailure(
  place: string,
  keysPlace: string,
  failure: ToolFailure,
  refusals: readonly Refusal[],
): Result<never, RenderFailure> {
  switch (failure.kind) {
    case 'missing':
      return renderFailure('tool_missing', `sops cannot be run: ${failure.message}`);
    case 'aborted':
    case 'too-slow':
      return renderFailure('ended', `${place}: sops ${failure.message}`);
    case 'too-large':
      return renderFailure('limit_exceeded', `${place}: sops ${failure.message}`);
    case 'failed':
      break;
  }
  if (failure.exitCode === exitCodes.macMismatch) {
    return renderFailure(
      'decryption_failed',
      `${place}: the MAC does not match, so the file was changed after it was encrypted. ` +
        'Encrypt it again, and change it with `sops edit` only.',
    );
  }
  if (failure.exitCode === exitCodes.keyNotRetrieved && refusals.length > 0) {
    const tried = refusals
      .map(({ request, reason }) => `${requestName(request)} (${reason})`)
      .join(', ');
    return renderFailure(
      'keys_missing',
      `${place} cannot be decrypted with ${keysPlace}. It is encrypted for ${tried}. ` +
        'Add the private key of one of these to the Secret, or run `sops updatekeys` with its public key.',
    );
  }
  return renderFailure(
    'decryption_failed',
    `${place} cannot be decrypted (sops ended with ${failure.exitCode ?? 'a signal'}): it is damaged, or was changed ` +
      'after it was encrypted. `sops decrypt` says more where the key is at hand.',
  );
}

/** Printable and short: names come from the repository. */
function requestName({ kind, name }: KeyRequest): string {
  const text = name.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 80);
  return kind === 'pgp' ? `OpenPGP ${text}` : text;
}

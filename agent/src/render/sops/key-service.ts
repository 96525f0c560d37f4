import { join } from 'node:path';
import type { Result } from '@fairlead/shared/result';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { sopsSocketPathBytesMax } from '../../limits.ts';
import {
  decodeDecryptRequest,
  encodeDecryptResponse,
  type KeyRequest,
} from './key-service-wire.ts';

export type DecryptKey = (request: KeyRequest) => Promise<Result<Uint8Array, string>>;

export type KeyService = AsyncDisposable & { readonly address: string };

/**
 * SOPS's key service on a socket in `directory`, which must be the agent's alone: the sops process asks it for the data
 * key of a file, so private keys never leave this process's memory. SOPS: keyservice/keyservice.proto.
 */
export async function startKeyService(
  directory: string,
  decryptKey: DecryptKey,
): Promise<KeyService> {
  const path = join(directory, 'keys');
  if (Buffer.byteLength(path) > sopsSocketPathBytesMax) {
    throw new Error(
      `the path of the data directory is too long for a socket: ${path} has over ${sopsSocketPathBytesMax} bytes`,
    );
  }
  const server = new Server();
  server.addService(
    {
      Decrypt: {
        path: '/KeyService/Decrypt',
        requestStream: false,
        responseStream: false,
        requestDeserialize: decodeDecryptRequest,
        requestSerialize: () => Buffer.alloc(0),
        responseSerialize: encodeDecryptResponse,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      Decrypt: (
        call: ServerUnaryCall<KeyRequest, Uint8Array>,
        answer: sendUnaryData<Uint8Array>,
      ) => {
        decryptKey(call.request).then(
          (key) => {
            if (key.ok) answer(null, key.value);
            else answer({ code: status.NOT_FOUND, details: key.error });
          },
          // A library's message may quote what it read.
          () => answer({ code: status.INTERNAL, details: 'the key cannot be decrypted' }),
        );
      },
    },
  );
  const address = `unix://${path}`;
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return {
    address,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}

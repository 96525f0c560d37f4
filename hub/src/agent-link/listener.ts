import { createServer, type Socket } from 'node:net';
import {
  experimental,
  Server,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  connectionsPerListenerMax,
  linkPingIntervalMs,
  linkPingTimeoutMs,
  linkSendBytesMax,
  streamsPerConnectionMax,
} from '../limits.ts';

export type Listener = {
  readonly host: string;
  readonly port: number;
  /** Bytes that came from a peer so far: the sign of life of a connection that only listens. */
  readonly bytesFrom: (peer: string) => number | undefined;
  /** Ends a peer's connection at once, also one that reads nothing. */
  readonly cut: (peer: string) => void;
  readonly close: () => Promise<void>;
};

/**
 * One gRPC listener. It accepts the TCP connections itself, because gRPC's own way to end a call waits for a reader
 * that may never read, and a revoked agent must be gone within seconds.
 */
export async function startListener(options: {
  host: string;
  port: number;
  provider: experimental.CertificateProvider;
  clientCertificate: 'required' | 'none';
  receiveBytesMax: number;
  service: ServiceDefinition;
  implementation: UntypedServiceImplementation;
}): Promise<Listener> {
  const { provider, clientCertificate } = options;
  const server = new Server({
    'grpc.keepalive_time_ms': linkPingIntervalMs,
    'grpc.keepalive_timeout_ms': linkPingTimeoutMs,
    'grpc.max_receive_message_length': options.receiveBytesMax,
    'grpc.max_send_message_length': linkSendBytesMax,
    'grpc.max_concurrent_streams': streamsPerConnectionMax,
  });
  server.addService(options.service, options.implementation);
  // The library's declaration names its first two parameters the wrong way round: the identity comes first.
  const credentials =
    clientCertificate === 'required'
      ? experimental.createCertificateProviderServerCredentials(provider, provider, true)
      : experimental.createCertificateProviderServerCredentials(provider, null, false);
  const injector = server.createConnectionInjector(credentials);
  const sockets = new Map<string, Socket>();
  const acceptor = createServer((socket) => {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    sockets.set(peer, socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(peer));
    injector.injectConnection(socket);
  });
  acceptor.maxConnections = connectionsPerListenerMax;
  await new Promise<void>((resolve, reject) => {
    acceptor.once('error', reject);
    acceptor.listen(options.port, options.host, resolve);
  });
  const address = acceptor.address();
  return {
    host: options.host,
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    bytesFrom: (peer) => sockets.get(peer)?.bytesRead,
    cut: (peer) => sockets.get(peer)?.destroy(),
    close: async () => {
      const closed = new Promise<void>((resolve) => acceptor.close(() => resolve()));
      server.forceShutdown();
      for (const socket of sockets.values()) socket.destroy();
      await closed;
    },
  };
}

import { join } from 'node:path';
import { busPendingBytesMax, busPingIntervalMs, busStoreBytesMax } from '../limits.ts';

export type NatsConfigurationOptions = {
  readonly directory: string;
  readonly host: string;
  readonly port: number;
  readonly certificatePath: string;
  readonly keyPath: string;
  /** From `renderAuthorization`. */
  readonly authorization: string;
};

/** The names of what an embedded server keeps below its directory. */
export const natsFiles = (directory: string) => ({
  configuration: join(directory, 'nats-server.conf'),
  processId: join(directory, 'nats-server.pid'),
  port: join(directory, 'nats-server.port'),
  log: join(directory, 'nats-server.log'),
  certificate: join(directory, 'tls-certificate.pem'),
  key: join(directory, 'tls-key.pem'),
  store: join(directory, 'store'),
  accounts: join(directory, 'accounts'),
});

/**
 * The configuration of the hub's own server. The store is written to disk every few seconds only: nothing in it is
 * the truth. Agents keep an audit event until it is in the decision log, and send reports again when the store is lost.
 */
export function renderNatsConfiguration(options: NatsConfigurationOptions): string {
  const files = natsFiles(options.directory);
  const text = (value: string) => JSON.stringify(value);
  return `# Written by the hub at each start; changes here are lost.
server_name: "fairlead-hub"
host: ${text(options.host)}
port: ${options.port}
pid_file: ${text(files.processId)}
log_file: ${text(files.log)}
logfile_size_limit: 10MB
logfile_max_num: 3
ping_interval: "${busPingIntervalMs}ms"
ping_max: 2
max_pending: ${busPendingBytesMax}
write_deadline: "10s"
tls {
  cert_file: ${text(options.certificatePath)}
  key_file: ${text(options.keyPath)}
  min_version: "1.2"
  timeout: 10
}
jetstream {
  store_dir: ${text(files.store)}
  max_memory_store: 67108864
  max_file_store: ${busStoreBytesMax}
  sync_interval: "5s"
}
${options.authorization}`;
}

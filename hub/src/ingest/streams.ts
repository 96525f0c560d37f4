import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import {
  auditStreamBytesMax,
  auditStreamMessagesPerClusterMax,
  busMessageBytesMax,
  reportStreamAgeMsMax,
  reportStreamBytesMax,
  reportStreamMessagesPerClusterMax,
  streamDuplicateWindowMs,
} from '../limits.ts';

export const auditStream = 'FAIRLEAD_AUDIT';
export const reportStream = 'FAIRLEAD_REPORTS';
const streamNotFound = 10059;

const common = {
  storage: StorageType.File,
  max_msg_size: busMessageBytesMax,
  duplicate_window: nanos(streamDuplicateWindowMs),
  num_replicas: 1,
} as const;

// A queue: an acknowledged message is gone. When it is full for a cluster, that cluster's next publish is refused and
// its agent keeps the events; nothing that is stored is ever thrown away unread.
const audit = {
  ...common,
  name: auditStream,
  subjects: ['fairlead.v1.*.audit'],
  retention: RetentionPolicy.Workqueue,
  discard: DiscardPolicy.New,
  discard_new_per_subject: true,
  max_msgs_per_subject: auditStreamMessagesPerClusterMax,
  max_bytes: auditStreamBytesMax,
};

// A log that the read model can be rebuilt from. The newest report of a target replaces the older ones, so old ones may go.
const reports = {
  ...common,
  name: reportStream,
  subjects: ['fairlead.v1.*.report'],
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.Old,
  max_msgs_per_subject: reportStreamMessagesPerClusterMax,
  max_bytes: reportStreamBytesMax,
  max_age: nanos(reportStreamAgeMsMax),
};

/** Makes what is missing, brings the limits up to date, and gives the state of the report stream. */
export async function ensureStreams(manager: JetStreamManager): Promise<StreamInfo> {
  await ensure(manager, audit);
  return ensure(manager, reports);
}

async function ensure(
  manager: JetStreamManager,
  config: typeof audit | typeof reports,
): Promise<StreamInfo> {
  try {
    return await manager.streams.update(config.name, config);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== streamNotFound) throw error;
    return manager.streams.add(config);
  }
}

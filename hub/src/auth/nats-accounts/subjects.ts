import type { ClusterId } from '@fairlead/shared/ids';

export type AgentSubjects = {
  readonly beat: string;
  readonly report: string;
  readonly audit: string;
  readonly wake: string;
  /** Prefix of the reply subjects that this agent may listen on. */
  readonly inboxPrefix: string;
};

/** Everything that one agent may say or hear on the bus. */
export const agentSubjects = (clusterId: ClusterId): AgentSubjects => ({
  beat: `fairlead.v1.${clusterId}.beat`,
  report: `fairlead.v1.${clusterId}.report`,
  audit: `fairlead.v1.${clusterId}.audit`,
  wake: `fairlead.v1.${clusterId}.wake`,
  inboxPrefix: `_INBOX_${clusterId}`,
});

import type { ClusterId, RepositoryName } from '@fairlead/shared/ids';
import type { Logger } from '@fairlead/shared/log';
import type { Result } from '@fairlead/shared/result';
import type { Clock, Instant, Random } from '@fairlead/shared/time';
import type { Authenticated } from '../auth/tokens/index.ts';
import type { CommandHandler } from '../commands/index.ts';
import type { DecisionLog } from '../decision-log/index.ts';
import type { Assignment } from '../domain/rollout/index.ts';
import type { PlanAnswer } from '../field-values/index.ts';
import type { SnapshotOf } from '../reactors/index.ts';
import type { ReadModel } from '../read-model/index.ts';
import type { Definitions } from '../resources/index.ts';

export type ReadinessCheck = () => Promise<{ readonly ok: boolean; readonly detail: string }>;

export type WebhookOutcome = Result<
  unknown,
  {
    readonly code:
      | 'repository_not_found'
      | 'webhook_secret_missing'
      | 'signature_missing'
      | 'signature_wrong'
      | 'too_large';
    readonly detail: string;
  }
>;

/** What an agent says that an assignment would change, or why it does not say it. */
export type PlanOutcome = Result<PlanAnswer, { readonly code: string; readonly detail: string }>;

export type HttpApiOptions = {
  readonly readModel: ReadModel;
  readonly commands: CommandHandler;
  readonly definitions: Definitions;
  /** Whether the hub is told of a configuration repository, which then defines what it has. */
  readonly hasConfiguration: boolean;
  readonly log: Pick<DecisionLog, 'readAfter' | 'headPosition' | 'onAppended' | 'verify'>;
  readonly authenticate: (token: string) => Authenticated | undefined;
  /** Everything outside a pipeline's stream that a decision on it may look at. */
  readonly snapshotOf: SnapshotOf;
  /** The hub's epoch has grown, so agents that were told nothing may be told again. */
  readonly onEpochAdvanced: () => void;
  /** When an agent was heard last, from what does not reach the log. */
  readonly lastSeenOf: (cluster: ClusterId) => Instant | undefined;
  /** YAML that joins a cluster. */
  readonly renderInstallManifest: (join: {
    readonly clusterName: string;
    readonly joinToken: string;
    readonly namespaces?: readonly string[];
    readonly rights?: 'own' | 'impersonate';
    readonly requirePolicy?: boolean;
    readonly agentNamespace?: string;
  }) => string | Promise<string>;
  /** Asks a cluster's agent what an assignment would change, without giving it. */
  readonly planOf: (cluster: ClusterId, assignment: Assignment) => Promise<PlanOutcome>;
  readonly receiveWebhook: (request: {
    readonly repository: RepositoryName;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
  }) => Promise<WebhookOutcome>;
  /** By name; the hub is ready when all are ok. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  /** The text of a scrape; absent, there is no /metrics. */
  readonly scrapeMetrics?: () => Promise<string>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Ends event streams; answers under way go on. */
  readonly signal: AbortSignal;
};

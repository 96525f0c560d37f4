import { type Command, Option } from 'commander';
import type { ClusterDocument, ClusterJoinDocument } from '../../http/index.ts';
import { segment } from '../api-client.ts';
import { collectLabel } from '../arguments.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import type { TableContent } from '../output.ts';
import { openSession, type Session } from '../session.ts';
import { clusterStatus, labelsText, regressionText, relativeTime } from '../words.ts';
import { addClusterDeletionCommand } from './deletions.ts';

export function addClusterCommands(program: Command, context: CliContext): void {
  const cluster = program.command('cluster').description('register, show and remove clusters');
  addJoining(cluster, context);
  addReading(cluster, context);
  addChanging(cluster, context);
  addClusterDeletionCommand(cluster, context);
}

type JoinOptions = {
  joinTokenOnly?: boolean;
  namespaceScope?: string;
  impersonateOnly?: boolean;
  requirePolicy?: boolean;
  agentNamespace?: string;
};

const namespaceScope = () =>
  new Option(
    '--namespace-scope <names>',
    'let the agent work in these namespaces only, with "," between them',
  );
const impersonateOnly = () =>
  new Option(
    '--impersonate-only',
    'let the agent change nothing by itself: each stage names a service account',
  );
const requirePolicy = () =>
  new Option(
    '--require-policy',
    'let the agent permit nothing without the ConfigMap fairlead-policy',
  );

const agentNamespace = () =>
  new Option(
    '--agent-namespace <name>',
    'install the agent in this namespace, to have several in one Kubernetes cluster',
  );

const installQuery = (options: JoinOptions) => ({
  namespaces: options.namespaceScope,
  rights: options.impersonateOnly ? 'impersonate' : undefined,
  requirePolicy: options.requirePolicy ? 'true' : undefined,
  agentNamespace: options.agentNamespace,
});

function addJoining(cluster: Command, context: CliContext): void {
  const tokenOnly = () => new Option('--join-token-only', 'print the join token instead');
  cluster
    .command('add')
    .description('register a cluster and print its install manifest, for `kubectl apply -f -`')
    .argument('<name>')
    .option('-l, --label <key=value>', 'label that stages select by (repeatable)', collectLabel)
    .option('--project <name>', 'project that the cluster belongs to')
    .addOption(namespaceScope())
    .addOption(impersonateOnly())
    .addOption(requirePolicy())
    .addOption(agentNamespace())
    .addOption(tokenOnly())
    .action(async (name: string, options: AddOptions, command: Command) => {
      const session = await openSession(context, command);
      const body = { name, project: options.project, labels: options.label ?? {} };
      const join = await session.api.send<ClusterJoinDocument>(
        'POST',
        '/clusters',
        body,
        installQuery(options),
      );
      printJoin(session, join, options);
    });
  cluster
    .command('join-token')
    .description('print a new install manifest for a cluster that is registered already')
    .argument('<name>')
    .addOption(namespaceScope())
    .addOption(impersonateOnly())
    .addOption(requirePolicy())
    .addOption(agentNamespace())
    .addOption(tokenOnly())
    .action(async (name: string, options: JoinOptions, command: Command) => {
      const session = await openSession(context, command);
      const path = `/clusters/${segment(name)}:issue-join-token`;
      const query = installQuery(options);
      const join = await session.api.send<ClusterJoinDocument>('POST', path, undefined, query);
      printJoin(session, join, options);
    });
}

type AddOptions = JoinOptions & { label?: Record<string, string>; project?: string };

/** The manifest is YAML already, so that only JSON shows the whole answer. */
function printJoin(session: Session, join: ClusterJoinDocument, options: JoinOptions): void {
  const { context, output, now } = session;
  const text = options.joinTokenOnly ? join.joinToken : join.installManifest;
  if (output === 'json') session.print(join, () => '');
  else context.write(text.endsWith('\n') ? text : `${text}\n`);
  const { name } = join.cluster;
  context.writeError(
    `The join token of ${name} is for one use and expires ${relativeTime(join.expiresAt, now)}; ` +
      `\`fairlead cluster join-token ${name}\` makes another.\n`,
  );
}

function addReading(cluster: Command, context: CliContext): void {
  cluster
    .command('list')
    .description('list the clusters with their status and its age')
    .action(async (_options: object, command: Command) => {
      const session = await openSession(context, command);
      const items = session.api.items<ClusterDocument>('/clusters');
      await session.printItems(items, (clusters) => clustersTable(clusters, session.now));
    });
  cluster
    .command('show')
    .description('show one cluster')
    .argument('<name>')
    .action(async (name: string, _options: object, command: Command) => {
      const session = await openSession(context, command);
      const found = await session.api.get<ClusterDocument>(`/clusters/${segment(name)}`);
      session.printTable(found, () => clusterTable(found, session.now));
    });
}

export function clustersTable(clusters: readonly ClusterDocument[], now: number): TableContent {
  return {
    columns: ['name', 'status', 'labels', 'agent', 'last seen', 'project'],
    rows: clusters.map((cluster) => [
      cluster.name,
      clusterStatus(cluster, now),
      labelsText(cluster.labels),
      cluster.agentVersion ?? '',
      relativeTime(cluster.lastSeenAt, now),
      cluster.project,
    ]),
    empty: 'No clusters. Add one with `fairlead cluster add NAME --label environment=staging`.',
  };
}

function clusterTable(cluster: ClusterDocument, now: number): TableContent {
  const { certificate } = cluster;
  return {
    columns: ['cluster', cluster.name],
    rows: [
      ['status', clusterStatus(cluster, now)],
      ...(cluster.epochRegressed === undefined
        ? []
        : [['assignments', regressionText(cluster.epochRegressed)]]),
      ['last seen', relativeTime(cluster.lastSeenAt, now)],
      ['project', cluster.project],
      ['labels', labelsText(cluster.labels)],
      ['claims', labelsText(cluster.claims)],
      ['agent', cluster.agentVersion ?? ''],
      ['id', cluster.id],
      ['added', relativeTime(cluster.addedAt, now)],
      ['enrolled', relativeTime(cluster.enrolledAt, now)],
      [
        'certificate',
        certificate
          ? `${certificate.serial}, expires ${relativeTime(certificate.expiresAt, now)}`
          : 'none',
      ],
    ],
    empty: '',
  };
}

function addChanging(cluster: Command, context: CliContext): void {
  cluster
    .command('label')
    .description('set labels with key=value, and remove them with key-')
    .argument('<name>')
    .argument('<changes...>')
    .action(async (name: string, changes: string[], _options: object, command: Command) => {
      const session = await openSession(context, command);
      const path = `/clusters/${segment(name)}`;
      const { labels } = await session.api.get<ClusterDocument>(path);
      const next = changeLabels(labels, changes);
      const change = await session.api.send('PATCH', path, { labels: next });
      session.print(change, () => `The labels of ${name} are ${labelsText(next) || 'none'}.`);
    });
  cluster
    .command('revoke')
    .description('cut a cluster off at once and for good; it can only be removed afterwards')
    .argument('<name>')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action(async (name: string, { reason }: { reason: string }, command: Command) => {
      const session = await openSession(context, command);
      const path = `/clusters/${segment(name)}:revoke`;
      const change = await session.api.send('POST', path, { reason });
      session.print(change, () => `${name} is revoked: its connections are cut.`);
    });
  cluster
    .command('remove')
    .description('remove a cluster from the hub; what runs in it stays')
    .argument('<name>')
    .requiredOption('--confirm <name>', 'the name again')
    .option('--reason <text>', 'why, for the audit log', '')
    .action(async (name: string, options: RemoveOptions, command: Command) => {
      if (options.confirm !== name) {
        throw new CliError(
          exitCodes.usage,
          `--confirm says "${options.confirm}" and not "${name}": nothing was removed.`,
        );
      }
      const session = await openSession(context, command);
      const { confirm, reason } = options;
      const path = `/clusters/${segment(name)}`;
      const change = await session.api.remove(path, { confirm, reason });
      session.print(
        change,
        () => `${name} is removed. What runs in it stays, and nobody looks after it any more.`,
      );
    });
}

type RemoveOptions = { confirm: string; reason: string };

function changeLabels(
  labels: Readonly<Record<string, string>>,
  changes: readonly string[],
): Record<string, string> {
  const next = new Map(Object.entries(labels));
  for (const change of changes) {
    if (change.endsWith('-') && !change.includes('=')) next.delete(change.slice(0, -1));
    else {
      const [[key, value] = ['', '']] = Object.entries(collectLabel(change));
      next.set(key, value);
    }
  }
  return Object.fromEntries(next);
}

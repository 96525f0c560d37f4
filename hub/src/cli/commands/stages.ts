import type { Command } from 'commander';
import type { StageDocument, TargetDocument } from '../../http/index.ts';
import { segment } from '../api-client.ts';
import {
  parseCommitArgument,
  parseListArgument,
  parseStageReference,
  type StageReference,
} from '../arguments.ts';
import { CliError } from '../cli-error.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { openSession, type Session } from '../session.ts';
import { shortCommit } from '../words.ts';

export const stagePath = ({ pipeline, stage }: StageReference): string =>
  `/pipelines/${segment(pipeline)}/stages/${segment(stage)}`;

const where = ({ pipeline, stage }: StageReference): string => `${pipeline}/${stage}`;

/** One verb over a stage: what it sends, and what it says when the hub has decided it. */
type StageVerb = {
  readonly name: string;
  readonly description: string;
  readonly takesRelease?: boolean;
  readonly reason?: 'required' | 'none';
  readonly force?: boolean;
  /** Whether targets may return to what they ran. */
  readonly rollback?: boolean;
  readonly hotfix?: boolean;
  readonly override?: boolean;
  readonly done: (stage: string, release: string) => string;
};

const verbs: readonly StageVerb[] = [
  {
    name: 'promote',
    description: 'bring a release into a stage: the newest that waits for it, or a given one',
    takesRelease: true,
    reason: 'none',
    force: true,
    hotfix: true,
    override: true,
    done: (stage, release) => `${release || 'The newest release'} is requested for ${stage}.`,
  },
  {
    name: 'rollback',
    description: 'go back to the last release that succeeded in a stage before, or to a given one',
    takesRelease: true,
    reason: 'required',
    override: true,
    done: (stage, release) => `${stage} goes back to ${release || 'its previous release'}.`,
  },
  {
    name: 'hold',
    description: 'admit nothing more into a stage until it is resumed',
    reason: 'required',
    done: (stage) => `${stage} is held.`,
  },
  {
    name: 'resume',
    description: 'end the hold of a stage',
    reason: 'required',
    done: (stage) => `${stage} is resumed.`,
  },
  {
    name: 'abort',
    description: "end a stage's rollout; targets keep what they were assigned",
    reason: 'required',
    rollback: true,
    done: (stage) => `The rollout of ${stage} is aborted.`,
  },
  {
    name: 'pause',
    description: "let a stage's rollout assign nothing more until it is continued",
    reason: 'required',
    done: (stage) => `The rollout of ${stage} is paused.`,
  },
  {
    name: 'continue',
    description: 'let a paused rollout go on',
    reason: 'required',
    done: (stage) => `The rollout of ${stage} goes on.`,
  },
];

type VerbOptions = {
  reason?: string;
  force?: boolean;
  rollback?: boolean;
  hotfix?: string[];
  override?: string;
};

export function addStageCommands(program: Command, context: CliContext): void {
  for (const verb of verbs) addVerb(program, context, verb);
  addWithdrawalCommand(program, context);
  addOverwriteCommand(program, context);
  program
    .command('confirm-prune')
    .description('show the objects that a deletion budget holds back, and let a target delete them')
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .requiredOption('--cluster <name>', 'whose prune is held')
    .option('--show', 'only show them')
    .action(async (stage: StageReference, options: PruneOptions, command: Command) => {
      const session = await openSession(context, command);
      const { cluster, show } = options;
      const held = await heldPrune(session, stage, cluster);
      if (show) {
        session.print(held, () => heldPruneText(cluster, held));
        return;
      }
      context.writeError(`${heldPruneText(cluster, held)}\n`);
      const change = await session.api.send('POST', `${stagePath(stage)}:confirm-prune`, {
        cluster,
        generation: held.generation,
        digest: held.digest,
      });
      session.print(change, () => `The prune of ${where(stage)} in ${cluster} is confirmed.`);
    });
}

function addVerb(program: Command, context: CliContext, verb: StageVerb): void {
  const command = program
    .command(verb.name)
    .description(verb.description)
    .argument('<pipeline/stage>', 'stage', parseStageReference);
  if (verb.takesRelease) {
    command.argument('[release]', 'commit id, or 7 or more digits of it', parseCommitArgument);
  }
  if (verb.force) {
    command.option(
      '--force',
      'bring back what failed, is current or left the branch; its gates still apply',
    );
  }
  if (verb.hotfix) {
    command
      .option(
        '--hotfix <gates>',
        'gates to pass without, with "," between them, of those that the stage allows',
        parseListArgument,
      )
      .option('--reason <text>', 'why it is a hotfix, for the audit log');
  }
  if (verb.rollback) {
    command.option('--rollback', 'return every target that it reached to what it ran before');
  }
  if (verb.override) {
    command.option('--override <reason>', 'go on in spite of freezes and windows; goes on record');
  }
  if (verb.reason === 'required') {
    command.requiredOption('--reason <text>', 'why, for the audit log');
  }
  command.action(async (stage: StageReference, ...rest: unknown[]) => {
    const release = verb.takesRelease ? (rest[0] as string | undefined) : undefined;
    const { reason, force, rollback, hotfix, override } = command.opts<VerbOptions>();
    if (verb.hotfix && (hotfix === undefined) !== (reason === undefined)) {
      throw new CliError(exitCodes.usage, 'A hotfix needs --hotfix and --reason, both.');
    }
    const session = await openSession(context, command);
    const change = await session.api.send('POST', `${stagePath(stage)}:${verb.name}`, {
      ...(release === undefined ? {} : { release }),
      ...(hotfix ? { hotfix: { bypass: hotfix, reason } } : reason === undefined ? {} : { reason }),
      ...(force === undefined ? {} : { force }),
      ...(rollback === undefined ? {} : { rollback }),
      ...(override === undefined ? {} : { overrideReason: override }),
    });
    session.print(change, () => verb.done(where(stage), shortCommit(release)));
  });
}

type PruneOptions = { cluster: string; show?: boolean };
type HeldPrune = {
  readonly generation: number;
  readonly digest: string;
  readonly objectsTotal: number;
  readonly objects: readonly string[];
};

/** A person confirms what the target says now; if it says something else meanwhile, the hub refuses. */
async function heldPrune(
  { api }: Session,
  stage: StageReference,
  cluster: string,
): Promise<HeldPrune> {
  for await (const target of api.items<TargetDocument>(`${stagePath(stage)}/targets`)) {
    const { report } = target;
    if (target.cluster !== cluster || report?.phase !== 'prune-held') continue;
    return {
      generation: report.generation,
      digest: report.pruneHeldDigest,
      objectsTotal: report.pruneHeldObjects,
      objects: report.pruneHeld.map(objectText),
    };
  }
  throw new CliError(
    exitCodes.notFound,
    `No prune is held for ${where(stage)} in ${cluster}: nothing was confirmed.`,
  );
}

function heldPruneText(cluster: string, { objectsTotal, objects }: HeldPrune): string {
  const more = objectsTotal - objects.length;
  return [
    `${cluster} holds back the deletion of ${objectsTotal} objects:`,
    ...objects.map((object) => `  ${object}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ].join('\n');
}

type ObjectName = { group: string; kind: string; namespace: string; name: string };
const objectText = ({ group, kind, namespace, name }: ObjectName): string =>
  `${kind}${group === '' ? '' : `.${group}`} ${namespace === '' ? '' : `${namespace}/`}${name}`;

function addWithdrawalCommand(program: Command, context: CliContext): void {
  program
    .command('confirm-withdrawal')
    .description('show the targets that would leave a stage at once, and let them go')
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .option('--show', 'only show them')
    .option('--reason <text>', 'why, for the audit log', '')
    .action(async (stage: StageReference, options: WithdrawalOptions, command: Command) => {
      const session = await openSession(context, command);
      const { heldWithdrawal: held } = await session.api.get<StageDocument>(stagePath(stage));
      if (held === undefined) {
        throw new CliError(
          exitCodes.notFound,
          `No withdrawal from ${where(stage)} waits: nothing was confirmed.`,
        );
      }
      const { clusters, targetsTotal } = held;
      const text = `${clusters.length} of ${targetsTotal} targets leave: ${clusters.join(', ')}`;
      if (options.show) {
        session.print(held, () => text);
        return;
      }
      context.writeError(`${text}\n`);
      const { reason } = options;
      const path = `${stagePath(stage)}:confirm-withdrawal`;
      const change = await session.api.send('POST', path, { clusters, reason });
      session.print(change, () => 'They leave the stage; what runs in them stays.');
    });
}

function addOverwriteCommand(program: Command, context: CliContext): void {
  program
    .command('overwrite-ref')
    .description("let the hub push a stage's branch over a commit that it did not put there")
    .argument('<pipeline/stage>', 'stage', parseStageReference)
    .requiredOption('--found <commit>', 'whole id of what is given up', parseCommitArgument)
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action(async (stage: StageReference, options: OverwriteOptions, command: Command) => {
      const { found, reason } = options;
      const session = await openSession(context, command);
      const path = `${stagePath(stage)}:overwrite-ref`;
      const change = await session.api.send('POST', path, { found, reason });
      const done = `The branch of ${where(stage)} will be pushed over ${shortCommit(found)}.`;
      session.print(change, () => done);
    });
}

type OverwriteOptions = { found: string; reason: string };

type WithdrawalOptions = { show?: boolean; reason: string };

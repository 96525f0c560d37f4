import type { Actor } from '../decision-log/index.ts';
import { isManaged, type ResourceName } from '../domain/configuration/index.ts';
import { mayDo, type Person } from '../domain/hub/index.ts';
import type { HttpApiOptions } from './dependencies.ts';
import { RefusedError } from './problems.ts';

/**
 * What the configuration repository defines is changed there. Whoever may change it here all the same says why, which is
 * recorded, and holds until the next commit of that repository is applied.
 */
export async function refuseManaged(
  { commands, hasConfiguration }: Pick<HttpApiOptions, 'commands' | 'hasConfiguration'>,
  resources: readonly ResourceName[],
  by: {
    readonly actor: Actor;
    readonly person: Person;
    readonly overrideReason?: string | undefined;
    readonly command: string;
  },
): Promise<void> {
  if (!hasConfiguration) return;
  const state = await commands.configurationState();
  const managed = resources.filter((resource) => isManaged(state, resource));
  if (managed.length === 0) return;
  const { actor, person, overrideReason: reason, command } = by;
  if (reason !== undefined && mayDo(person, 'override-configuration')) {
    for (const resource of managed) {
      await commands.configuration({ type: 'record-override', ...resource, reason }, actor);
    }
    return;
  }
  const names = managed.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  const refusal = {
    code: 'managed_by_configuration',
    detail:
      `${names}: defined by commit ${state.applied?.commit.slice(0, 8)} of the configuration repository. Change it ` +
      'there; or give an overrideReason (--override REASON), which is recorded and holds until its next commit.',
  };
  const missing = {
    code: 'permission_missing',
    detail: `${person.subject} may not change what the configuration repository defines: that needs override-configuration.`,
  };
  const [first] = managed;
  const subject = `${first?.kind.toLowerCase()}/${first?.name}`;
  const refused = reason === undefined ? refusal : missing;
  await commands.recordRefusal({ command, subject, ...refused }, actor);
  throw new RefusedError(reason === undefined ? 'command_refused' : 'forbidden', refused);
}

/** Says of each name whether the configuration repository defines it. */
export async function managedByOf(
  { commands, hasConfiguration }: Pick<HttpApiOptions, 'commands' | 'hasConfiguration'>,
  kind: ResourceName['kind'],
): Promise<(name: string) => 'configuration-repository' | undefined> {
  if (!hasConfiguration) return () => undefined;
  const { applied } = await commands.configurationState();
  const names = new Set(
    applied?.resources.flatMap((each) => (each.kind === kind ? [each.name] : [])),
  );
  return (name) => (names.has(name) ? 'configuration-repository' : undefined);
}

/** Why a pipeline of the configuration repository is not what its newest commit says, in words. */
export async function configurationOf(
  { commands, hasConfiguration }: Pick<HttpApiOptions, 'commands' | 'hasConfiguration'>,
  name: string,
): Promise<string | undefined> {
  if (!hasConfiguration) return undefined;
  const state = await commands.configurationState();
  const { applied, refused, failure } = state;
  const isThis = (each: ResourceName) => each.kind === 'Pipeline' && each.name === name;
  if (state.absent.some(isThis)) {
    return 'No commit of the configuration repository defines this pipeline any more. It stays as it is until somebody removes it.';
  }
  if (!isManaged(state, { kind: 'Pipeline', name })) return undefined;
  const from = `It is defined by commit ${applied?.commit.slice(0, 8)} of the configuration repository.`;
  const overridden = state.overridden.find(isThis);
  if (overridden) return `${from} It was changed at the hub since: ${overridden.reason}`;
  if (failure !== undefined) return `${from} That repository cannot be read: ${failure}`;
  if (refused === undefined) return undefined;
  const [first] = refused.faults;
  const more = refused.faultsTotal > 1 ? `, and ${refused.faultsTotal - 1} more` : '';
  return `${from} Nothing of commit ${refused.commit.slice(0, 8)} is applied: ${first?.path}: ${first?.message}${more}.`;
}

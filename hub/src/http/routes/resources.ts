import { isDeepStrictEqual } from 'node:util';
import { type Fault, ProblemError, problem } from '@fairlead/shared/problem';
import { z } from '@hono/zod-openapi';
import type { Actor } from '../../decision-log/index.ts';
import type { ResourceName } from '../../domain/configuration/index.ts';
import { mayDo, type Person } from '../../domain/hub/index.ts';
import {
  parseResources,
  type Resource,
  removeAnnotation,
  widenedPromotions,
} from '../../domain/pipeline/index.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { refuseManaged } from '../managed.ts';
import { accepted, RefusedError } from '../problems.ts';
import {
  type AppliedDocument,
  appliedSchema,
  overrideQuery,
  resourceName,
  resourceSchema,
} from '../schemas.ts';

const tag = 'resources';
type Caller = {
  readonly actor: Actor;
  readonly person: Person;
  readonly overrideReason?: string | undefined;
};
type Defined = { readonly events: readonly unknown[]; readonly position: number };
type Outcome = AppliedDocument['resources'][number];

/** Resources as people write them: one by name, or many in one text of which all are taken or none. */
export function resourceEndpoints(options: HttpApiOptions): Endpoint[] {
  const apply = createApply(options);
  const putOne = (kind: Resource['kind'], plural: string, parameter: string) =>
    endpoint({
      method: 'put',
      access: 'define',
      path: `/${plural}/{${parameter}}`,
      tag,
      summary: `Defines a ${kind.toLowerCase()}, as \`fairlead apply\` does.`,
      params: z.object({ [parameter]: resourceName }),
      query: overrideQuery,
      body: z.string(),
      text: resourceSchema,
      response: appliedSchema,
      handle: ({ params, query, body, actor, person }) => {
        const name = String(params[parameter]);
        const further = (resources: readonly Resource[]) => otherThan(resources, kind, name);
        return apply(body, { actor, person, ...query }, further);
      },
    });
  return [
    endpoint({
      method: 'post',
      path: '/apply',
      access: 'define',
      tag,
      summary: 'Defines every resource of a YAML stream, or none where one of them has a fault.',
      query: overrideQuery,
      body: z.string(),
      text: resourceSchema,
      response: appliedSchema,
      handle: ({ query, body, actor, person }) => apply(body, { actor, person, ...query }),
    }),
    putOne('Repository', 'repositories', 'repository'),
    putOne('Pipeline', 'pipelines', 'pipeline'),
  ];
}

function createApply(options: HttpApiOptions) {
  const { commands, definitions } = options;

  const define = async (resource: Resource, { actor, person }: Caller): Promise<Defined> => {
    const { name } = resource.definition;
    return resource.kind === 'Repository'
      ? accepted(
          await commands.repository(
            name,
            { type: 'define-repository', definition: resource.definition },
            actor,
          ),
        )
      : accepted(
          await commands.pipeline(
            name,
            { type: 'define-pipeline', definition: resource.definition, by: person },
            actor,
          ),
        );
  };

  const change = async (resource: Resource, caller: Caller) => {
    const { name } = resource.definition;
    const existed = await isDefined(options, resource);
    const { events, position } = await define(resource, caller);
    const outcome: Outcome['outcome'] =
      events.length === 0 ? 'unchanged' : existed ? 'changed' : 'created';
    return { position, resource: { kind: resource.kind, name, outcome } };
  };

  const applyNow = async (
    text: string,
    caller: Caller,
    further: (resources: readonly Resource[]) => Fault[],
  ): Promise<AppliedDocument> => {
    const parsed = parseResources(text);
    if (!parsed.ok) throw invalid(parsed.error);
    const faults = [
      ...further(parsed.value),
      ...parsed.value.flatMap(removalFault),
      ...(await definitions.check(parsed.value)),
    ];
    if (faults.length > 0) throw invalid(faults);
    await mayWiden(options, parsed.value, caller);
    const changed = await changedBy(options, parsed.value);
    await refuseManaged(options, changed, { ...caller, command: 'apply' });
    const resources: Outcome[] = [];
    let position = options.readModel.position();
    for (const resource of repositoriesFirst(parsed.value)) {
      const outcome = await change(resource, caller);
      resources.push(outcome.resource);
      position = Math.max(position, outcome.position);
    }
    return { resources, position };
  };

  return (
    text: string,
    caller: Caller,
    further: (resources: readonly Resource[]) => Fault[] = () => [],
  ): Promise<AppliedDocument> => definitions.exclusively(() => applyNow(text, caller, further));
}

/** The rule is the core's; it is asked for all pipelines first, so that a text is taken whole or not at all. */
async function mayWiden(
  { commands }: Pick<HttpApiOptions, 'commands'>,
  resources: readonly Resource[],
  { actor, person }: Caller,
): Promise<void> {
  if (mayDo(person, 'allow-automatic-promotion')) return;
  const widened: string[] = [];
  for (const resource of resources) {
    if (resource.kind !== 'Pipeline') continue;
    const { name } = resource.definition;
    const state = await commands.pipelineState(name);
    const before = state.status === 'active' ? state.definition : undefined;
    const what = widenedPromotions(before, resource.definition);
    if (what.length > 0) widened.push(`${name}: ${what.join('; ')}`);
  }
  if (widened.length === 0) return;
  const code = 'permission_missing';
  const detail =
    `${person.subject} may not let more be promoted by itself, which needs ` +
    `allow-automatic-promotion: ${widened.join('. ')}.`;
  await commands.recordRefusal({ command: 'apply', subject: 'hub', code, detail }, actor);
  throw new RefusedError('forbidden', { code, detail });
}

async function isDefined(
  { commands }: Pick<HttpApiOptions, 'commands'>,
  { kind, definition }: Resource,
): Promise<boolean> {
  return kind === 'Repository'
    ? (await commands.repositoryState(definition.name)).status === 'defined'
    : (await commands.pipelineState(definition.name)).status === 'active';
}

/** Those that would be defined otherwise than they are. */
async function changedBy(
  { commands }: Pick<HttpApiOptions, 'commands'>,
  resources: readonly Resource[],
): Promise<ResourceName[]> {
  const changed: ResourceName[] = [];
  for (const { kind, definition } of resources) {
    const { name } = definition;
    const state =
      kind === 'Repository'
        ? await commands.repositoryState(name)
        : await commands.pipelineState(name);
    const before = 'definition' in state ? state.definition : undefined;
    if (!isDeepStrictEqual(before, definition)) changed.push({ kind, name });
  }
  return changed;
}

/** What a stream of documents leaves away is left alone, and what it names is defined: a removal is a request of its own. */
const removalFault = ({ kind, definition, remove }: Resource): Fault[] =>
  remove
    ? [
        {
          path: `${kind} ${definition.name}: metadata.annotations.${removeAnnotation}`,
          message: 'is for the configuration repository: use `fairlead delete` here',
        },
      ]
    : [];

/** A pipeline may name a repository of the same text. */
const repositoriesFirst = (resources: readonly Resource[]): Resource[] =>
  resources.toSorted((left, right) => rank(left) - rank(right));
const rank = ({ kind }: Resource): number => (kind === 'Repository' ? 0 : 1);

const invalid = (faults: readonly Fault[]) =>
  new ProblemError(
    problem(
      'document_invalid',
      `The document has ${faults.length} fault(s). Nothing was changed.`,
      faults,
    ),
  );

function otherThan(resources: readonly Resource[], kind: Resource['kind'], name: string): Fault[] {
  const [first, second] = resources;
  if (first?.kind === kind && first.definition.name === name && second === undefined) return [];
  return [{ path: 'document', message: `must hold the ${kind} "${name}" and nothing else` }];
}

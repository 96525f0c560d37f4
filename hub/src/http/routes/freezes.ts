import {
  type FreezeId,
  type PipelineName,
  type ProjectName,
  parseNewId,
} from '@fairlead/shared/ids';
import { ProblemError, problem } from '@fairlead/shared/problem';
import { expectOk } from '@fairlead/shared/result';
import { z } from '@hono/zod-openapi';
import { type FreezeScope, hasEnded } from '../../domain/freeze/index.ts';
import { pageItemsMax } from '../../limits.ts';
import type { PageRequest } from '../../read-model/index.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { freezeDocument } from '../freeze-documents.ts';
import { parsedName } from '../names.ts';
import { accepted, found } from '../problems.ts';
import {
  changeSchema,
  type DeclareFreezeBody,
  declaredFreezeSchema,
  declareFreezeSchema,
  freezePageSchema,
  optionalReasonSchema,
} from '../schemas.ts';
import { changeDocument } from './change.ts';

const tag = 'freezes';

/** Times in which nothing is assigned, declared by people. */
export function freezeEndpoints(options: HttpApiOptions): Endpoint[] {
  const { commands, clock, random } = options;
  return [
    endpoint({
      method: 'get',
      path: '/freezes',
      tag,
      summary: 'Lists the freezes that are in force or planned, oldest first.',
      response: freezePageSchema,
      handle: async () => {
        const { state } = await commands.freezesState();
        const at = clock.now();
        const open = [...state.freezes.values()].filter((freeze) => !hasEnded(freeze, at));
        return { items: open.map((freeze) => freezeDocument(freeze, at)) };
      },
    }),
    endpoint({
      method: 'post',
      path: '/freezes',
      access: 'freeze',
      tag,
      summary:
        'Declares a freeze of the hub, a project, a pipeline or a stage: nothing is assigned there.',
      body: declareFreezeSchema,
      response: declaredFreezeSchema,
      status: 201,
      handle: async ({ body, actor, person }) => {
        const { reason, running, from, until } = body;
        const id: FreezeId = expectOk(parseNewId(random.nextId()), 'a new freeze id');
        const outcome = await commands.freezes(
          {
            type: 'declare-freeze',
            id,
            scope: scopeOf(body, options),
            reason,
            by: person.subject,
            at: clock.now(),
            ...(from === undefined ? {} : { from: Date.parse(from) }),
            ...(until === undefined ? {} : { until: Date.parse(until) }),
            running,
          },
          actor,
        );
        return { id, ...changeDocument(accepted(outcome)) };
      },
    }),
    endpoint({
      method: 'post',
      path: '/freezes/{freeze}:lift',
      access: 'freeze',
      tag,
      summary: 'Lifts a freeze, also one that has not begun.',
      params: z.object({ freeze: z.string().max(64) }),
      body: optionalReasonSchema,
      response: changeSchema,
      handle: async ({ params, body: { reason }, actor, person }) => {
        const id = parseNewId(params.freeze);
        if (!id.ok) throw new ProblemError(problem('not_found', `No freeze is ${params.freeze}.`));
        const by = person.subject;
        return changeDocument(
          accepted(
            await commands.freezes(
              { type: 'lift-freeze', id: id.value, reason, by, at: clock.now() },
              actor,
            ),
          ),
        );
      },
    }),
  ];
}

/** A freeze of something that does not exist would protect nothing, and nobody would notice. */
function scopeOf(
  { project, pipeline, stage }: DeclareFreezeBody,
  { readModel }: Pick<HttpApiOptions, 'readModel'>,
): FreezeScope {
  if (pipeline !== undefined) {
    found(readModel.findPipeline(pipeline), 'pipeline', pipeline);
    const name = parsedName<PipelineName>(pipeline, 'pipeline');
    if (stage === undefined) return { kind: 'pipeline', pipeline: name };
    found(readModel.findStage(pipeline, stage), 'stage', `${pipeline}/${stage}`);
    return { kind: 'stage', pipeline: name, stage: parsedName(stage, 'stage') };
  }
  if (project === undefined) return { kind: 'hub' };
  for (let after: PageRequest['after'], isMore = true; isMore; ) {
    const page = readModel.listPipelines({ limit: pageItemsMax, ...(after ? { after } : {}) });
    if (page.items.some((row) => row.project === project)) {
      return { kind: 'project', project: parsedName<ProjectName>(project, 'project') };
    }
    after = page.next;
    isMore = after !== undefined;
  }
  throw new ProblemError(problem('not_found', `No pipeline belongs to project "${project}".`));
}

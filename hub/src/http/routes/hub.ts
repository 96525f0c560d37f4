import type { HttpApiOptions } from '../dependencies.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { accepted } from '../problems.ts';
import { acceptedRestoreSchema, reasonSchema } from '../schemas.ts';
import { changeDocument } from './change.ts';

/** What an operator says about the hub itself. */
export function hubEndpoints({ commands, readModel, onEpochAdvanced }: HttpApiOptions): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/hub:accept-restore',
      tag: 'hub',
      summary:
        "Declares that the hub's log counts though agents hold newer assignments: raises its epoch.",
      body: reasonSchema,
      response: acceptedRestoreSchema,
      handle: async ({ body: { reason }, actor }) => {
        const { identity } = await commands.hubState();
        const held = readModel.allClusters().map(({ ahead }) => ahead?.epoch ?? 0);
        const epoch = Math.max(identity?.epoch ?? 0, ...held) + 1;
        const executed = accepted(
          await commands.hub({ type: 'advance-epoch', epoch, reason }, actor),
        );
        onEpochAdvanced();
        return { ...changeDocument(executed), epoch };
      },
    }),
  ];
}

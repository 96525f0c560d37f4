import { z } from '@hono/zod-openapi';
import { newToken, tokenHash } from '../../auth/tokens/index.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { tokenDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { accepted } from '../problems.ts';
import {
  changeSchema,
  issuedTokenSchema,
  issueTokenSchema,
  pageOf,
  tokenSchema,
} from '../schemas.ts';
import { changeDocument } from './change.ts';

const tag = 'tokens';

export function tokenEndpoints({ readModel, commands, random }: HttpApiOptions): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/tokens',
      tag,
      summary: 'Lists access tokens, revoked ones too.',
      access: 'manage-tokens',
      response: pageOf(tokenSchema),
      handle: () => ({ items: readModel.allTokens().map(tokenDocument) }),
    }),
    endpoint({
      method: 'post',
      path: '/tokens',
      access: 'manage-tokens',
      tag,
      summary: 'Issues an access token, which only this answer shows.',
      body: issueTokenSchema,
      response: issuedTokenSchema,
      status: 201,
      handle: async ({ body: { name, role, subject, ...of }, actor, person }) => {
        const token = newToken();
        const tokenId = random.nextId();
        const { position } = accepted(
          await commands.hub(
            {
              type: 'issue-token',
              tokenId,
              name,
              hash: tokenHash(token),
              role,
              ...(subject === undefined ? {} : { subject }),
              ...of,
              by: person,
            },
            actor,
          ),
        );
        return { id: tokenId, name, token, position };
      },
    }),
    endpoint({
      method: 'delete',
      path: '/tokens/{token}',
      access: 'manage-tokens',
      tag,
      summary: 'Revokes an access token by its id.',
      params: z.object({ token: z.string().max(40) }),
      response: changeSchema,
      handle: async ({ params: { token: tokenId }, actor }) =>
        changeDocument(accepted(await commands.hub({ type: 'revoke-token', tokenId }, actor))),
    }),
  ];
}

import { type ClusterName, type ProjectName, parseClusterId } from '@fairlead/shared/ids';
import { ProblemError, problem } from '@fairlead/shared/problem';
import { expectOk } from '@fairlead/shared/result';
import { formatInstant } from '@fairlead/shared/time';
import { z } from '@hono/zod-openapi';
import { newJoinToken, tokenHash } from '../../auth/tokens/index.ts';
import { joinTokenLifetimeMs, readYourWritesTimeoutMs } from '../../limits.ts';
import { pageDocument, pageRequest } from '../cursor.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { clusterDocument, targetDocument } from '../documents.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { parsedName } from '../names.ts';
import { accepted, found } from '../problems.ts';
import {
  addClusterSchema,
  type ClusterJoinDocument,
  changeLabelsSchema,
  changeSchema,
  clusterPageSchema,
  clusterSchema,
  clusterStatusSchema,
  type InstallQuery,
  installQuery,
  joinSchema,
  pageQuery,
  reasonSchema,
  resourceName,
  targetPageSchema,
} from '../schemas.ts';
import { changeDocument } from './change.ts';
import { requireConfirmation } from './confirmation.ts';

const tag = 'clusters';
const params = z.object({ cluster: resourceName });

export function clusterEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, lastSeenOf } = options;
  const clusterOf = (name: string) => found(readModel.findCluster(name), 'cluster', name);
  return [
    endpoint({
      method: 'get',
      path: '/clusters',
      tag,
      summary: 'Lists clusters by name.',
      query: z.object({
        ...pageQuery,
        status: clusterStatusSchema.optional(),
        label: z
          .string()
          .optional()
          .openapi({ description: 'Labels that must match: `environment=production,region=eu`.' }),
      }),
      response: clusterPageSchema,
      handle: ({ query }) => {
        const { status, label } = query;
        const filter = {
          ...(status === undefined ? {} : { status }),
          ...(label === undefined ? {} : { labels: parseLabels(label) }),
        };
        return pageDocument(readModel.listClusters(pageRequest(query), filter), (row) =>
          clusterDocument(row, lastSeenOf(row.id)),
        );
      },
    }),
    endpoint({
      method: 'get',
      path: '/clusters/{cluster}',
      tag,
      summary: 'Shows a cluster.',
      params,
      response: clusterSchema,
      handle: ({ params: { cluster } }) => {
        const row = clusterOf(cluster);
        return clusterDocument(row, lastSeenOf(row.id));
      },
    }),
    endpoint({
      method: 'get',
      path: '/clusters/{cluster}/targets',
      tag,
      summary: 'Lists what a cluster is assigned, with its last report of each.',
      params,
      query: z.object(pageQuery),
      response: targetPageSchema,
      handle: ({ params: { cluster }, query }) => {
        clusterOf(cluster);
        const page = readModel.listTargets({ cluster }, pageRequest(query));
        return pageDocument(page, targetDocument);
      },
    }),
    ...joinEndpoints(options),
    endpoint({
      method: 'patch',
      access: 'manage-clusters',
      path: '/clusters/{cluster}',
      tag,
      summary: 'Replaces the labels of a cluster.',
      params,
      body: changeLabelsSchema,
      response: changeSchema,
      handle: async ({ params: { cluster }, body: { labels }, actor }) =>
        changeDocument(
          accepted(await commands.cluster(cluster, { type: 'change-labels', labels }, actor)),
        ),
    }),
    endpoint({
      method: 'post',
      access: 'manage-clusters',
      path: '/clusters/{cluster}:revoke',
      tag,
      summary: 'Ends the trust in a cluster: its connections close and it cannot come back.',
      params,
      body: reasonSchema,
      response: changeSchema,
      handle: async ({ params: { cluster }, body: { reason }, actor }) =>
        changeDocument(
          accepted(await commands.cluster(cluster, { type: 'revoke', reason }, actor)),
        ),
    }),
    endpoint({
      method: 'delete',
      access: 'manage-clusters',
      path: '/clusters/{cluster}',
      tag,
      summary: 'Removes a cluster; its workloads stay as they are.',
      params,
      query: z.object({
        confirm: z
          .string()
          .default('')
          .openapi({ description: "The cluster's name, typed again." }),
        reason: z.string().max(1_000).default(''),
      }),
      response: changeSchema,
      handle: async ({ params: { cluster }, query: { confirm, reason }, actor }) => {
        clusterOf(cluster);
        requireConfirmation(cluster, confirm);
        return changeDocument(
          accepted(await commands.cluster(cluster, { type: 'remove', reason }, actor)),
        );
      },
    }),
  ];
}

/** Adding a cluster and giving it another join token: the token is in the answer and nowhere else. */
function joinEndpoints(options: HttpApiOptions): Endpoint[] {
  const { readModel, commands, clock, random, renderInstallManifest } = options;
  const newJoin = () => {
    const joinToken = newJoinToken();
    const tokenExpiresAt = clock.now() + joinTokenLifetimeMs;
    return { joinToken, tokenHash: tokenHash(joinToken), tokenExpiresAt };
  };
  const joinDocument = async (
    clusterName: string,
    join: ReturnType<typeof newJoin>,
    { position, install }: { position: number; install: InstallQuery },
  ): Promise<ClusterJoinDocument> => {
    const { joinToken, tokenExpiresAt } = join;
    await readModel.waitFor(position, readYourWritesTimeoutMs);
    return {
      cluster: clusterDocument(found(readModel.findCluster(clusterName), 'cluster', clusterName)),
      joinToken,
      expiresAt: formatInstant(tokenExpiresAt),
      installManifest: await renderInstallManifest({ clusterName, joinToken, ...install }),
      position,
    };
  };
  return [
    endpoint({
      method: 'post',
      access: 'manage-clusters',
      path: '/clusters',
      tag,
      summary: 'Adds a cluster and gives what it joins with.',
      query: installQuery,
      body: addClusterSchema,
      response: joinSchema,
      status: 201,
      handle: async ({ body, query, actor }) => {
        const { joinToken, ...token } = newJoin();
        const name = parsedName<ClusterName>(body.name, 'name');
        const { position } = accepted(
          await commands.cluster(
            name,
            {
              type: 'add-cluster',
              id: expectOk(parseClusterId(random.nextId()), 'a new cluster id'),
              name,
              project: parsedName<ProjectName>(body.project, 'project'),
              labels: body.labels,
              ...token,
            },
            actor,
          ),
        );
        return joinDocument(name, { joinToken, ...token }, { position, install: query });
      },
    }),
    endpoint({
      method: 'post',
      access: 'manage-clusters',
      path: '/clusters/{cluster}:issue-join-token',
      tag,
      summary: 'Issues another join token; the one before ends.',
      params,
      query: installQuery,
      response: joinSchema,
      handle: async ({ params: { cluster }, query, actor }) => {
        const { joinToken, ...token } = newJoin();
        const { position } = accepted(
          await commands.cluster(cluster, { type: 'issue-join-token', ...token }, actor),
        );
        return joinDocument(cluster, { joinToken, ...token }, { position, install: query });
      },
    }),
  ];
}

function parseLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const equals = pair.indexOf('=');
      if (equals > 0) return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()];
      throw new ProblemError(
        problem('request_invalid', 'A label filter is wrong.', [
          { path: 'label', message: `"${pair}" must be key=value` },
        ]),
      );
    }),
  );
}

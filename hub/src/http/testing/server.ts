import { err, ok } from '@fairlead/shared/result';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { createAuthenticator, newToken, tokenHash } from '../../auth/tokens/index.ts';
import { type CommandHandler, createCommandHandler } from '../../commands/index.ts';
import { createSnapshotReader } from '../../reactors/index.ts';
import { type Fixture, openFixture, silent } from '../../read-model/testing/index.ts';
import { createDefinitions, type Definitions } from '../../resources/index.ts';
import { createHttpApi } from '../app.ts';
import type { HttpApiOptions } from '../dependencies.ts';
import { startHttpServer } from '../server.ts';

/** An answer with its body read. */
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read documents as they come.
  readonly body: any;
};

export type HttpFixture = Fixture & {
  readonly url: string;
  readonly commands: CommandHandler;
  readonly definitions: Definitions;
  readonly adminToken: string;
  readonly viewerToken: string;
  /** As the administrator, unless another token or none is given. A text is sent as YAML. */
  readonly call: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Answer>;
  readonly stop: () => void;
};

const actor = { kind: 'hub', name: 'test' } as const;

/** The whole API on a real port, over a real log; only the edges around it are functions of the test. */
export async function startHttpFixture({
  configurationUrl,
  ...change
}: Partial<HttpApiOptions> & { configurationUrl?: string } = {}): Promise<HttpFixture> {
  const fixture = await openFixture();
  const { log, readModel } = fixture;
  const commands = createCommandHandler({ log, clock: systemClock });
  const [adminToken, viewerToken] = [newToken(), newToken()];
  for (const [name, role, token] of [
    ['release-engineer', 'admin', adminToken],
    ['dashboard', 'viewer', viewerToken],
  ] as const) {
    const hash = tokenHash(token);
    await commands.hub({ type: 'issue-token', tokenId: name, name, hash, role }, actor);
  }
  await readModel.catchUp();
  const definitions = createDefinitions({ readModel, log, commands, configurationUrl });
  const stopping = new AbortController();
  const app = createHttpApi({
    readModel,
    commands,
    definitions,
    hasConfiguration: configurationUrl !== undefined,
    log,
    authenticate: createAuthenticator(readModel.findTokenByHash),
    snapshotOf: createSnapshotReader({
      clusterSnapshots: readModel.clusterSnapshots,
      reportsOf: readModel.snapshotOf,
      commands,
      statusesOfPipeline: readModel.statusesOfPipeline,
      verificationsOf: readModel.verificationResultsOf,
      samplesOf: readModel.metricSamplesOf,
      watchedMs: systemClock.now,
    }),
    lastSeenOf: () => undefined,
    onEpochAdvanced: () => {},
    planOf: async () =>
      err({ code: 'not_connected', detail: 'its agent is not connected to this hub' }),
    renderInstallManifest: ({ clusterName, joinToken, ...install }) =>
      `kind: Secret\nmetadata: {name: ${clusterName}}\nstringData: {token: ${joinToken}}\n# ${JSON.stringify(install)}\n`,
    receiveWebhook: async ({ repository, headers, body }) =>
      headers['x-signature'] === `${repository}:${body.byteLength}`
        ? ok({ refresh: true })
        : err({ code: 'signature_wrong', detail: 'The signature does not fit.' }),
    checks: {},
    scrapeMetrics: async () => 'fairlead_up 1\n',
    clock: systemClock,
    random: systemRandom,
    logger: silent,
    signal: stopping.signal,
    ...change,
  });
  const server = await startHttpServer({ app, host: '127.0.0.1', port: 0 });
  return Object.assign(Object.create(fixture) as Fixture, {
    url: server.url,
    commands,
    definitions,
    adminToken,
    viewerToken,
    stop: () => stopping.abort(),
    call: async (
      method: string,
      path: string,
      body?: unknown,
      headers: Readonly<Record<string, string>> = {},
    ): Promise<Answer> => {
      const response = await fetch(`${server.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${adminToken}`, ...headers },
        body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
      });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      return {
        status: response.status,
        headers: response.headers,
        body: isJson ? JSON.parse(text) : text,
      };
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await server.close();
      await fixture[Symbol.asyncDispose]();
    },
  });
}

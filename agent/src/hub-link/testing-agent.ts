// An agent's link for tests: a real journal and object store in a folder, and an identity kept in memory.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { secret } from '@fairlead/shared/config';
import { createLogger } from '@fairlead/shared/log';
import { systemClock, systemRandom } from '@fairlead/shared/time';
import { type Assignment, failedPlan } from '../domain/link/index.ts';
import { createObjectStore, createTreeFolders, openJournal } from '../journal/index.ts';
import type { OfferedRuns } from '../verification/index.ts';
import {
  createHubLink,
  createIdentity,
  createLoadTree,
  type HubLinkDependencies,
  type IdentityStore,
  type StoredIdentity,
} from './index.ts';

export const silent = createLogger('test', 'silent');

export const memoryStore = (
  stored?: StoredIdentity,
): IdentityStore & { saved: StoredIdentity[] } => {
  const saved = stored === undefined ? [] : [stored];
  return {
    saved,
    load: async () => saved.at(-1),
    save: async (next) => {
      saved.push(next);
    },
  };
};

export type TestAgentOptions = {
  readonly enrolAddress: string;
  readonly caKeyHash: string;
  readonly joinToken?: string;
  readonly store?: IdentityStore;
  readonly folder?: string;
  readonly clock?: { now: () => number };
  readonly limits?: Parameters<typeof createHubLink>[0]['limits'];
  readonly onAssignment?: (assignment: Assignment) => void;
  readonly upcoming?: HubLinkDependencies['upcoming'];
  readonly preview?: HubLinkDependencies['preview'];
};

export type TestAgent = ReturnType<typeof startTestAgent>;

export function testIdentity(options: TestAgentOptions) {
  return createIdentity({
    store: options.store ?? memoryStore(),
    enrolAddress: options.enrolAddress,
    caKeyHash: options.caKeyHash,
    ...(options.joinToken === undefined ? {} : { joinToken: secret(options.joinToken) }),
    clusterName: 'east',
    clusterUid: 'uid-of-kube-system',
    agentVersion: '0.0.0-test',
    claims: () => ({ kubernetes: '1.37.2' }),
    clock: options.clock ?? systemClock,
    random: systemRandom,
    logger: silent,
    refusedMs: { min: 50, max: 100 },
  });
}

export function startTestAgent(options: TestAgentOptions) {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'agent-'));
  const lifetime = new AbortController();
  const { signal } = lifetime;
  const clock = systemClock;
  const random = systemRandom;
  const journal = openJournal({ file: join(folder, 'journal.sqlite'), clock, random });
  const objects = createObjectStore({
    rows: journal.gitObjects,
    directory: join(folder, 'objects'),
    clock,
    random,
  });
  const folders = createTreeFolders({ directory: join(folder, 'trees'), objects, clock, random });
  const identity = testIdentity(options);
  const received: Assignment[] = [];
  const runsReceived: OfferedRuns[] = [];
  const link = createHubLink({
    identity,
    journal,
    objects,
    agentVersion: '0.0.0-test',
    clock,
    random,
    logger: silent,
    signal,
    limits: { busReconnectSpreadMs: 200, reportIntervalMs: 100, ...options.limits },
    preview: options.preview ?? (async () => failedPlan('no plans in this test')),
    onVerificationRuns: (runs) => runsReceived.push(runs),
    ...(options.upcoming ? { upcoming: options.upcoming } : {}),
    onAssignment: (assignment) => {
      received.push(assignment);
      options.onAssignment?.(assignment);
    },
  });
  const running = link.run();
  const stop = async (): Promise<void> => {
    lifetime.abort();
    await running;
    journal.close();
  };
  return {
    folder,
    journal,
    objects,
    identity,
    link,
    received,
    runsReceived,
    loadTree: createLoadTree(link.fetchTree, folders, journal),
    stop,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Waits for a level with a limit, and says what was seen last. */
export async function eventually<Value>(
  what: string,
  read: () => Value | Promise<Value>,
  accept: (value: Value) => boolean,
  timeoutMs = 15_000,
): Promise<Value> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (accept(value)) return value;
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${timeoutMs} ms; last seen: ${JSON.stringify(value)}`);
    }
    await delay(10);
  }
}

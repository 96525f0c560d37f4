import { expect, test, vi } from 'vitest';
import { createCommandHandler } from '../commands/index.ts';
import { streams } from '../domain/events.ts';
import {
  append,
  clusterAdded,
  clusterEnrolled,
  openFixture,
  silent,
} from '../read-model/testing/index.ts';
import { createFleetReactor } from './index.ts';

const names = ['eu-1', 'eu-2', 'us-1'];

test('AUD-06: beats of a steady fleet leave the log as it is; only who comes and goes is in it', async () => {
  await using fixture = await openFixture();
  for (const name of names) {
    await append(fixture.log, streams.cluster(name), clusterAdded(name));
    await append(fixture.log, streams.cluster(name), clusterEnrolled(name));
  }
  await fixture.readModel.catchUp();
  const clock = { time: 1_000_000, now: () => clock.time };
  const stop = new AbortController();
  const silentOnes = new Set<string>();
  const lastSeen = new Map<string, number>();
  let looks = 0;
  const reactor = createFleetReactor({
    commands: createCommandHandler({ log: fixture.log, clock }),
    clusters: () => {
      looks++;
      return fixture.readModel.allClusters();
    },
    presenceOf: (id) => {
      const lastSeenAt = lastSeen.get(id);
      return lastSeenAt === undefined
        ? undefined
        : { lastSeenAt, instanceId: 'i', agentVersion: '0.1.0' };
    },
    clock,
    signal: stop.signal,
    logger: silent,
  });
  /** Everybody who is not silent is heard, and the reactor has looked at it and is done. */
  const beat = async (): Promise<number> => {
    clock.time += 5_000;
    for (const { id, name } of fixture.readModel.allClusters()) {
      if (!silentOnes.has(name)) lastSeen.set(id, clock.time);
    }
    for (let look = 0; look < 2; look++) {
      const before = looks;
      reactor.wake();
      await vi.waitFor(() => expect(looks).toBeGreaterThan(before), { interval: 1 });
    }
    await fixture.readModel.catchUp();
    return fixture.log.headPosition();
  };

  const connected = await beat();
  expect(connected).toBe(3 * names.length);
  for (let round = 0; round < 200; round++) expect(await beat()).toBe(connected);
  silentOnes.add('us-1');
  for (let round = 0; round < 20; round++) await beat();
  silentOnes.clear();
  expect(await beat()).toBe(connected + 2);
  stop.abort();
  await reactor.stopped;
});

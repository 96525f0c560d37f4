import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readAgentConfig } from './index.ts';

const needed = {
  FAIRLEAD_CLUSTER_NAME: 'east',
  FAIRLEAD_ENROL_ADDRESS: 'hub.example.com:9081',
  FAIRLEAD_CA_KEY_HASH: `sha256:${'a'.repeat(64)}`,
};
const noFile = (path: string): string => {
  throw new Error(`read ${path}`);
};

describe("the agent's configuration", () => {
  it('needs only what the join Secret holds', () => {
    expect(readAgentConfig(needed, noFile)).toMatchObject({
      clusterName: 'east',
      namespace: 'fairlead-system',
      healthHost: '127.0.0.1',
      healthPort: 9084,
      acceptedEpoch: 0,
      joinToken: undefined,
      kubeconfig: undefined,
    });
  });

  it('takes the namespaces that it may work in, and none for the whole cluster', () => {
    const read = (names: string) =>
      readAgentConfig({ ...needed, FAIRLEAD_WATCH_NAMESPACES: names }, noFile).watchNamespaces;
    expect(read(' shop, payments,shop')).toEqual(['shop', 'payments']);
    expect(read('')).toBeUndefined();
    expect(() => read('Shop')).toThrow(/FAIRLEAD_WATCH_NAMESPACES: must be names of namespaces/);
    const many = Array.from({ length: 51 }, (_, index) => `n${index}`).join();
    expect(() => read(many)).toThrow(/must be at most 50; install the agent for the whole cluster/);
  });

  it('requires no policy unless it is told to', () => {
    expect(readAgentConfig(needed, noFile).policyRequired).toBe(false);
    const read = (value: string) =>
      readAgentConfig({ ...needed, FAIRLEAD_POLICY_REQUIRED: value }, noFile).policyRequired;
    expect(read('true')).toBe(true);
    expect(() => read('yes')).toThrow(/FAIRLEAD_POLICY_REQUIRED: must be true or false/);
  });

  it('names every fault at once', () => {
    const read = () =>
      readAgentConfig(
        {
          FAIRLEAD_CLUSTER_NAME: 'East!',
          FAIRLEAD_ENROL_ADDRESS: 'hub',
          FAIRLEAD_HEALTH_PORT: '70000',
          FAIRLEAD_LOG_LEVEL: 'loud',
        },
        noFile,
      );
    for (const name of [
      'CLUSTER_NAME',
      'ENROL_ADDRESS',
      'CA_KEY_HASH',
      'HEALTH_PORT',
      'LOG_LEVEL',
    ]) {
      expect(read).toThrow(new RegExp(`FAIRLEAD_${name}: `));
    }
  });

  it('reads a value from a file when the variable names one', () => {
    const environment = { ...needed, FAIRLEAD_JOIN_TOKEN_FILE: '/run/token' };
    const config = readAgentConfig(environment, (path) => `from ${path}\n`);
    expect(config.joinToken?.reveal()).toBe('from /run/token');
  });

  it('S11: does not print the token, and cannot be changed', () => {
    const config = readAgentConfig({ ...needed, FAIRLEAD_JOIN_TOKEN: 'canary-97531' }, noFile);
    expect(JSON.stringify(config) + inspect(config)).not.toContain('canary-97531');
    expect(Object.isFrozen(config)).toBe(true);
  });
});

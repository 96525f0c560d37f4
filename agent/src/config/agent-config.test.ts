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

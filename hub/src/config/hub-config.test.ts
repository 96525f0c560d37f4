import { ConfigError } from '@fairlead/shared/config';
import { expect, test } from 'vitest';
import { configReference, readHubConfig } from './index.ts';

test('an empty environment gives loopback listeners and one data folder', () => {
  const config = readHubConfig({});
  expect(config.http).toEqual({ host: '127.0.0.1', port: 9080 });
  expect(config.logPath).toBe('.fairlead/hub/decision-log.sqlite');
});

test('every faulty variable is named at once', () => {
  const read = () =>
    readHubConfig({ FAIRLEAD_HTTP_ADDRESS: 'everywhere', FAIRLEAD_LOG_LEVEL: 'loud' });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(/FAIRLEAD_HTTP_ADDRESS: must be host:port[\s\S]*FAIRLEAD_LOG_LEVEL/);
});

test('the reference in the documentation is the one of the program (vitest -u rewrites it)', async () => {
  const path = '../../../docs/hub-configuration.md';
  await expect(configReference()).toMatchFileSnapshot(path);
});

import { expect, test } from 'vitest';
import { parseManifests } from './index.ts';

test('generateName is completed by the content, so that the same content is the same object', () => {
  const hook = (image: string) =>
    `{apiVersion: batch/v1, kind: Job, metadata: {generateName: migrate-}, spec: {image: "${image}"}}`;
  const nameOf = (image: string) => {
    const parsed = parseManifests(hook(image), 'test', { bytesMax: 1_000, objectsMax: 10 });
    return parsed.ok ? parsed.value[0]?.metadata : parsed.error;
  };
  expect(nameOf('a')).toEqual({ name: expect.stringMatching(/^migrate-[0-9a-f]{8}$/) });
  expect(nameOf('a')).toEqual(nameOf('a'));
  expect(nameOf('b')).not.toEqual(nameOf('a'));
});

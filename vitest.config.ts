import { defineConfig } from 'vitest/config';

// The suffix tells the cost. Unit tests run side by side; integration tests start real servers, so a few at a time;
// scenarios start the whole system, so one at a time.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{shared,hub,agent,e2e,deploy}/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/*.int.test.ts'],
        },
      },
      {
        test: {
          name: 'integration',
          include: [
            '{shared,hub,agent,deploy}/**/*.int.test.ts',
            'e2e/{stack,bench}/**/*.int.test.ts',
          ],
          exclude: ['**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'scenarios',
          include: ['e2e/scenarios/**/*.int.test.ts', 'e2e/sim/**/*.int.test.ts'],
          exclude: ['**/node_modules/**'],
          testTimeout: 300_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

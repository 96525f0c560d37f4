import { VerificationMode } from '@fairlead/proto';
import { expect, test } from 'vitest';
import type { Assignment } from '../domain/rollout/index.ts';
import { assignmentMessage } from './assignment-message.ts';

const assignment = (verification?: Assignment['verification']): Assignment =>
  ({
    disposition: 'run',
    render: { helm: { releaseName: '', valuesFiles: [], values: {} } },
    apply: {
      drift: 'repair',
      adopt: 'if-unowned',
      conflicts: 'fail',
      dependsOn: [],
      ignoreDifferences: [],
      healthChecks: [],
    },
    ...(verification ? { verification } : {}),
  }) as unknown as Assignment;

test.each([
  [undefined, VerificationMode.VERIFICATION_MODE_NONE, ''],
  [{ mode: 'warn' }, VerificationMode.VERIFICATION_MODE_WARN, ''],
  [{ mode: 'required', keysName: 'shop' }, VerificationMode.VERIFICATION_MODE_REQUIRED, 'shop'],
] as const)('signatures as in %j travel with the assignment', (verification, mode, keysName) => {
  const message = assignmentMessage(assignment(verification), { epoch: 1, clusterLabels: {} });
  expect(message.verification).toEqual({ mode, keysName });
});

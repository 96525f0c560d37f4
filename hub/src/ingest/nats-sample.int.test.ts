import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { findTool } from '../../../deploy/tools/index.ts';
import { openCertificateAuthority } from '../auth/ca/index.ts';
import { openNatsAccounts, renderAuthorization } from '../auth/nats-accounts/index.ts';

test('the sample configuration for a server of one’s own is one that nats-server takes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-sample-'));
  const authority = await openCertificateAuthority({ directory, at: Date.now() });
  const { certificatePem, keyPem } = await authority.issueServerCertificate({
    hosts: ['bus.example.test'],
    at: Date.now(),
  });
  const accounts = await openNatsAccounts({ directory });
  const sample = await readFile(
    new URL('../../../deploy/nats/nats-server.conf', import.meta.url),
    'utf8',
  );
  await writeFile(join(directory, 'tls-certificate.pem'), certificatePem);
  await writeFile(join(directory, 'tls-key.pem'), keyPem);
  await writeFile(
    join(directory, 'authorization.conf'),
    await renderAuthorization(accounts, { directory: join(directory, 'accounts') }),
  );
  const path = join(directory, 'nats-server.conf');
  await writeFile(
    path,
    sample
      .replaceAll('/etc/fairlead-bus', directory)
      .replaceAll('/var/lib/fairlead-bus', join(directory, 'store')),
  );
  const { stderr } = await promisify(execFile)(await findTool('nats-server'), ['-t', '-c', path]);
  expect(stderr).toContain('is valid');
});

import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type KeyFiles, readTrustedKeys, verifyCommit } from './index.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'signed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const environment = {
  PATH: process.env.PATH ?? '',
  HOME: folder,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Test Author',
  GIT_AUTHOR_EMAIL: 'author@example.com',
  GIT_COMMITTER_NAME: 'Test Author',
  GIT_COMMITTER_EMAIL: 'author@example.com',
};

const hasSshKeygen = spawnSync('ssh-keygen', ['-?']).error === undefined;

// OpenSSH makes the keys and Git the commits, so that the formats are theirs and not what we believe of them.
describe.skipIf(!hasSshKeygen)('a commit that Git signed with a key of ssh-keygen', () => {
  test.each([
    ['ed25519', [], 'sha1'],
    ['ecdsa', ['-b', '256'], 'sha1'],
    ['ecdsa', ['-b', '384'], 'sha1'],
    ['ecdsa', ['-b', '521'], 'sha1'],
    ['rsa', ['-b', '2048'], 'sha1'],
    ['ed25519', [], 'sha256'],
  ])('%s %s is verified in a repository with %s', async (type, size, digest) => {
    const name = [type, ...size, digest].join('');
    const key = join(folder, name);
    const repository = join(folder, `repository-${name}`);
    await run('ssh-keygen', ['-q', '-t', type, ...size, '-N', '', '-C', 'ci', '-f', key]);
    const git = async (...args: string[]) => {
      const { stdout } = await run('git', args, { cwd: repository, env: environment });
      return stdout;
    };
    await run('git', ['init', '-q', `--object-format=${digest}`, repository]);
    writeFileSync(join(repository, 'a.yaml'), 'a: 1\n');
    await git('add', '.');
    const signing = ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${key}`];
    await git(
      ...signing,
      'commit',
      '-q',
      '-S',
      '-m',
      'with\n\na body, and a line\n gpgsig not one',
    );
    const publicKey = readFileSync(`${key}.pub`, 'utf8');
    const allowed = join(folder, `${name}.signers`);
    writeFileSync(allowed, `ci@example.com namespaces="git" ${publicKey}`);
    // Git says the same of it.
    await git('-c', `gpg.ssh.allowedSignersFile=${allowed}`, 'verify-commit', 'HEAD');

    const idLength = (await git('rev-parse', 'HEAD')).trim().length;
    const data = Buffer.from(await git('cat-file', 'commit', 'HEAD'));
    const trusted: KeyFiles[] = [
      { allowed_signers: readFileSync(allowed, 'utf8') },
      { 'ci.pub': publicKey },
    ];
    for (const files of trusted) {
      const keys = await readTrustedKeys(files);
      expect(keys.faults).toEqual([]);
      const verified = await verifyCommit({ data, idLength }, keys, Date.now());
      expect(verified).toMatchObject({ ok: true });
    }
  });
});

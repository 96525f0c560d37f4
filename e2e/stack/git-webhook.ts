// Push webhooks in GitHub's shape, sent once after each push.
// Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads#push

import { createHmac, randomUUID } from 'node:crypto';
import { runCommand } from './command.ts';
import { gitEnvironment } from './environment.ts';
import { webhookCommitsMax, webhookDeliveriesKeptMax, webhookTimeoutMs } from './limits.ts';

export type WebhookDelivery = {
  readonly id: string;
  readonly repository: string;
  readonly url: string;
  readonly ref: string;
  readonly after: string;
  /** The status answered, or why there was none. */
  readonly outcome: { readonly status: number } | { readonly error: string };
};

export type Webhooks = {
  add(repository: string, url: string, secret: string): void;
  /** Runs a push and sends a webhook for each reference that it changed. */
  around(repository: string, push: () => Promise<void>): Promise<void>;
  deliveries(): readonly WebhookDelivery[];
  /** Ends deliveries under way. */
  close(): Promise<void>;
};

type Hook = { readonly url: string; readonly secret: string };
type Change = { readonly ref: string; readonly before: string; readonly after: string };

const nothing = '0'.repeat(40);

export function createWebhooks(
  pathOf: (repository: string) => string,
  cloneUrlOf: (repository: string) => string,
): Webhooks {
  const hooks = new Map<string, Hook[]>();
  const deliveries: WebhookDelivery[] = [];
  const underWay = new Set<Promise<void>>();
  const closing = new AbortController();

  async function deliver(repository: string, hook: Hook, change: Change): Promise<void> {
    const id = randomUUID();
    let outcome: WebhookDelivery['outcome'];
    try {
      const path = pathOf(repository);
      const payload = await pushPayload(repository, path, cloneUrlOf(repository), change);
      outcome = { status: await post(hook, id, JSON.stringify(payload), closing.signal) };
    } catch (error) {
      const { message, cause } = error as Error;
      outcome = { error: cause instanceof Error ? `${message}: ${cause.message}` : message };
    }
    const { ref, after } = change;
    deliveries.push({ id, repository, url: hook.url, ref, after, outcome });
    if (deliveries.length > webhookDeliveriesKeptMax) deliveries.shift();
  }

  return {
    add(repository, url, secret) {
      hooks.set(repository, [...(hooks.get(repository) ?? []), { url, secret }]);
    },
    async around(repository, push) {
      const registered = hooks.get(repository) ?? [];
      if (registered.length === 0) return push();
      const before = await references(pathOf(repository));
      await push();
      const changes = difference(before, await references(pathOf(repository)));
      for (const change of changes) {
        for (const hook of registered) {
          const delivery = deliver(repository, hook, change).finally(() => {
            underWay.delete(delivery);
          });
          underWay.add(delivery);
        }
      }
    },
    deliveries: () => [...deliveries],
    async close() {
      closing.abort(new Error('The Git server was closed.'));
      await Promise.allSettled(underWay);
    },
  };
}

async function post(hook: Hook, id: string, body: string, signal: AbortSignal): Promise<number> {
  const signature = createHmac('sha256', hook.secret).update(body).digest('hex');
  const response = await fetch(hook.url, {
    method: 'POST',
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(webhookTimeoutMs)]),
    headers: {
      'Content-Type': 'application/json',
      'User-Agent': 'GitHub-Hookshot/test',
      'X-GitHub-Event': 'push',
      'X-GitHub-Delivery': id,
      'X-Hub-Signature-256': `sha256=${signature}`,
    },
  });
  await response.arrayBuffer();
  return response.status;
}

function git(path: string, ...args: string[]): Promise<string> {
  return runCommand('git', ['-C', path, ...args], { env: gitEnvironment() });
}

async function references(path: string): Promise<Map<string, string>> {
  const lines = await git(path, 'for-each-ref', '--format=%(refname) %(objectname)');
  return new Map(
    lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' ') as [string, string]),
  );
}

function difference(before: Map<string, string>, after: Map<string, string>): Change[] {
  const refs = new Set([...before.keys(), ...after.keys()]);
  return [...refs]
    .map((ref) => ({ ref, before: before.get(ref) ?? nothing, after: after.get(ref) ?? nothing }))
    .filter((change) => change.before !== change.after);
}

async function pushPayload(repository: string, path: string, cloneUrl: string, change: Change) {
  const { ref, before, after } = change;
  const created = before === nothing;
  const deleted = after === nothing;
  const commits = deleted ? [] : await newCommits(path, change);
  const forced =
    !created &&
    !deleted &&
    (await git(path, 'merge-base', before, after).catch(() => '')).trim() !== before;
  return {
    ref,
    before,
    after,
    created,
    deleted,
    forced,
    base_ref: null,
    compare: `${cloneUrl}/compare/${before.slice(0, 12)}...${after.slice(0, 12)}`,
    commits,
    head_commit: commits.at(-1) ?? null,
    repository: {
      name: repository,
      full_name: `test/${repository}`,
      private: false,
      owner: { name: 'test', login: 'test' },
      html_url: cloneUrl.replace(/\.git$/, ''),
      clone_url: cloneUrl,
      git_url: cloneUrl,
      ssh_url: cloneUrl,
      url: cloneUrl,
      default_branch: 'main',
      master_branch: 'main',
    },
    pusher: { name: 'test', email: 'test@example.com' },
    sender: { login: 'test', type: 'User' },
  };
}

/** The newest commits that a push brought, oldest first. */
async function newCommits(path: string, { before, after }: Change) {
  const range = before === nothing ? [after] : [`${before}..${after}`];
  const text = await git(
    path,
    'log',
    `--max-count=${webhookCommitsMax}`,
    '--reverse',
    '--name-status',
    '--no-renames',
    '-z',
    '--format=%x01%H%x02%T%x02%cI%x02%an%x02%ae%x02%cn%x02%ce%x02%B%x02',
    ...range,
    '--',
  );
  return text
    .split('\x01')
    .slice(1)
    .map((entry) => {
      const [id, tree, timestamp, authorName, authorEmail, name, email, message, files] =
        entry.split('\x02');
      return {
        id,
        tree_id: tree,
        distinct: true,
        message: message?.trimEnd(),
        timestamp,
        author: { name: authorName, email: authorEmail },
        committer: { name, email },
        ...changedFiles(files ?? ''),
      };
    });
}

/** Reads `--name-status -z`: a letter and a path in turn, each ended by NUL. */
function changedFiles(text: string) {
  const files = { added: [] as string[], removed: [] as string[], modified: [] as string[] };
  const fields = text
    .split('\0')
    .map((field) => field.trim())
    .filter((field) => field !== '');
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const path = fields[index + 1] as string;
    if (fields[index] === 'A') files.added.push(path);
    else if (fields[index] === 'D') files.removed.push(path);
    else files.modified.push(path);
  }
  return files;
}

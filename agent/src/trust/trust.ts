import { err, ok, type Result } from '@fairlead/shared/result';
import type { Clock } from '@fairlead/shared/time';
import type { Cluster } from '../cluster/index.ts';
import type { Assignment } from '../domain/link/index.ts';
import { judgeAssignment, policyName, trustedKeysName } from '../domain/policy/index.ts';
import type { ObjectStore } from '../journal/index.ts';
import { commitVerdictsMax, policyAgeMsMax, trustSourcesMax } from '../limits.ts';
import type { Refusal, Trust, Verified } from '../reconcile/index.ts';
import { type Signer, type TrustedKeys, verifyCommit } from '../signature/index.ts';
import { createTrustReader } from './read.ts';

export type TrustDependencies = {
  readonly cluster: Pick<Cluster, 'get' | 'watch'>;
  readonly objects: Pick<ObjectStore, 'read'>;
  /** Where the policy and the trusted keys live. */
  readonly agentNamespace: string;
  /** Without a policy nothing is permitted, rather than everything. */
  readonly policyRequired: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The policy or a ConfigMap of keys has changed, so that what was refused may be tried again. */
  readonly onChange: () => void;
};

type Keys = {
  readonly keys: TrustedKeys;
  /** By commit: units of one commit share a verdict as long as the keys are not read again. */
  readonly verdicts: Map<string, Promise<Result<Signer, string>>>;
};

const refuse = (audit: Refusal['audit'], terminal: boolean, message: string) =>
  err({ audit, terminal, message });

/**
 * The cluster's own say in what its agent does. Policy and keys are read from the cluster whenever they are older than a
 * few seconds, and what cannot be read permits nothing.
 */
export function createTrust(dependencies: TrustDependencies): Trust {
  const { objects, agentNamespace, clock } = dependencies;
  const reader = createTrustReader(dependencies);
  const policy = createKept(clock, policyAgeMsMax, () => reader.policy());
  const keysBySources = new Map<string, () => Promise<Result<Keys, string>>>();
  const known = new Set([policyName, trustedKeysName]);

  const keysOf = (sources: readonly string[]) => {
    const name = sources.join(' ');
    if (keysBySources.size >= trustSourcesMax) keysBySources.clear();
    const kept =
      keysBySources.get(name) ??
      createKept(clock, policyAgeMsMax, async (): Promise<Result<Keys, string>> => {
        for (const source of sources) known.add(source);
        const read = await reader.keys(sources);
        return read.ok ? ok({ keys: read.value, verdicts: new Map() }) : read;
      });
    keysBySources.set(name, kept);
    return kept();
  };

  // The watch is a hint: whatever it misses is found when the reads grow old.
  const { cluster, signal } = dependencies;
  const watched = { apiVersion: 'v1', kind: 'ConfigMap', namespace: agentNamespace, signal };
  cluster.watch(watched, (event) => {
    if (event.type !== 'changed' && event.type !== 'gone') return;
    if (!known.has(event.object.metadata.name)) return;
    policy.forget();
    keysBySources.clear();
    dependencies.onChange();
  });

  const verdictOf = async (
    { commit }: Assignment,
    { keys, verdicts }: Keys,
  ): Promise<Result<Signer, string>> => {
    const verifying =
      verdicts.get(commit) ??
      (async () => {
        const object = await objects.read(commit);
        if (object?.kind !== 'commit') return err('the commit object is not here');
        return verifyCommit({ data: object.data, idLength: commit.length }, keys, clock.now());
      })();
    if (verdicts.size >= commitVerdictsMax) verdicts.clear();
    verdicts.set(commit, verifying);
    return verifying;
  };

  return {
    permit: async (assignment) => {
      const read = await policy();
      if (!read.ok) return refuse('PolicyRefused', false, read.error);
      const permit = judgeAssignment(read.value, assignment);
      if (permit.ok) return permit;
      return refuse('PolicyRefused', true, `this cluster does not permit it: ${permit.error}`);
    },

    verify: async (assignment, { signatures, keySources }) => {
      if (signatures === 'none') return ok({ signer: '', warning: '' });
      const commit = `commit ${assignment.commit.slice(0, 12)}`;
      const keys = await keysOf(keySources);
      const verdict = keys.ok ? await verdictOf(assignment, keys.value) : keys;
      if (verdict.ok) return ok(verifiedBy(verdict.value));
      const reason = `${commit} is not trusted: ${verdict.error}`;
      if (signatures === 'warn') return ok({ signer: '', warning: reason });
      // Missing keys are the cluster's fault and may come; what a commit lacks it will always lack.
      return refuse('SignatureRefused', keys.ok, `${reason}; nothing of it was applied`);
    },
  };
}

const verifiedBy = ({ principal, fingerprint }: Signer): Verified => ({
  signer: principal === fingerprint ? fingerprint : `${principal} (${fingerprint})`,
  warning: '',
});

/** Reads once for all who ask in a while. What could not be read is read again for the next one. */
function createKept<Value>(
  clock: Clock,
  ageMsMax: number,
  read: () => Promise<Result<Value, string>>,
) {
  let held:
    | { readonly value: Promise<Result<Value, string>>; readonly readAtMs: number }
    | undefined;
  const kept = () => {
    const now = clock.now();
    if (held && now - held.readAtMs < ageMsMax && now >= held.readAtMs) return held.value;
    const fresh = { value: read(), readAtMs: now };
    held = fresh;
    const drop = () => {
      if (held === fresh) held = undefined;
    };
    fresh.value.then((result) => result.ok || drop(), drop);
    return fresh.value;
  };
  return Object.assign(kept, {
    forget: () => {
      held = undefined;
    },
  });
}

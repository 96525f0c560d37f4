import { createHash } from 'node:crypto';
import {
  type KubernetesObject,
  type ObjectKey,
  objectKey,
  objectKeyText,
} from '@fairlead/shared/manifest';
import type { Clock } from '@fairlead/shared/time';
import { type Cluster, ClusterError, fieldManager, type WatchEvent } from '../../cluster/index.ts';
import { rivalTools } from '../../domain/conflict/index.ts';
import { ownedFieldsText } from '../../domain/drift/index.ts';
import type { Health, HealthOptions, ObjectHealth } from '../../domain/health/index.ts';
import {
  containsOf,
  isReconcileDisabled,
  type LiveObject,
  ownerAnnotation,
  partOfLabel,
  positionOf,
  reasonToStay,
} from '../../domain/plan/index.ts';
import { firstStatusMsMax, watchFirstListMsMax } from '../../limits.ts';
import { createTimers } from '../timers.ts';

/** All that is kept of a live object; the object itself is let go, because a thousand units must fit into little memory. */
export type LiveRecord = LiveObject & {
  readonly resourceVersion: string;
  readonly ownedHash: string;
  readonly health: Health;
  readonly message: string;
  readonly isLeaving: boolean;
  /** What holds up an object that is leaving. */
  readonly finalizers: readonly string[];
  readonly reconcileDisabled: boolean;
  /** Tools for deploying that own fields together with us, in words; empty without any. */
  readonly rivals: string;
  /** Since when it is neither healthy nor failed, in the agent's time. */
  readonly progressingSinceMs: number | undefined;
  /** Selects the pods of a workload that is not healthy; empty otherwise. */
  readonly podSelector: string;
};

export type LiveChange = {
  readonly text: string;
  readonly before: LiveRecord | undefined;
  /** `undefined` when the object is gone or has lost its ApplySet label. */
  readonly after: LiveRecord | undefined;
  readonly object: KubernetesObject | undefined;
};

export type LiveObjectsDependencies = {
  readonly cluster: Cluster;
  readonly clock: Clock;
  /** One watch a kind and namespace; undefined watches each kind in the whole cluster. */
  readonly namespaces: readonly string[] | undefined;
  readonly judge: (object: KubernetesObject, options: HealthOptions) => ObjectHealth;
  /** Resolves once objects of a kind can be judged. */
  readonly judgeReady: (apiVersion: string, kind: string) => Promise<void>;
  readonly onChange: (change: LiveChange) => void;
  readonly signal: AbortSignal;
};

/** Every object of the cluster that an ApplySet owns, of the kinds in use: one watch a kind, shared by all units. */
export type LiveObjects = {
  /** Resolves once the kind's objects are known; rejects with `ClusterError` when they cannot be listed now. */
  readonly follow: (apiVersion: string, kind: string) => Promise<void>;
  readonly get: (text: string) => LiveRecord | undefined;
  readonly ofApplySet: (applySetId: string) => LiveRecord[];
  readonly sizeOfApplySet: (applySetId: string) => number;
  /** Takes the answer to our own write at once, instead of waiting for the watch to say the same. */
  readonly observe: (object: KubernetesObject) => LiveRecord;
  /** Judges an object whose rule has changed, though the object has not. */
  readonly judgeAgain: (object: KubernetesObject) => void;
};

/** One watch: of one namespace, or of the whole cluster where it is empty. */
type Watched = {
  readonly namespace: string;
  /** Keys of the list that is coming in. */
  seen: Set<string> | undefined;
  isListed: boolean;
};

type Followed = {
  readonly listed: Promise<void>;
  readonly settle: { resolve: () => void; reject: (error: unknown) => void };
  isListed: boolean;
  hasStatus: boolean;
  readonly watches: Watched[];
  lastError: ClusterError | undefined;
};

// One empty list for all records, which are many.
const none: readonly string[] = [];

/** A namespace has further ones in its specification, for what is in it. */
function finalizersOf({ kind, metadata, spec }: KubernetesObject): readonly string[] {
  const { finalizers = none } = kind === 'Namespace' ? (spec as { finalizers?: string[] }) : {};
  return [...(metadata.finalizers ?? none), ...finalizers];
}

export const digest = (text: string): string =>
  createHash('sha256').update(text).digest('base64url').slice(0, 27);

/** Digest of the field set that we own. */
const ownedHashOf = (object: KubernetesObject): string =>
  digest(ownedFieldsText(object, fieldManager));

/**
 * Takes the answer to our own write, and tells the digest of what we have left by it: of the answer, not of what the
 * watches may know by now, because a change that came after it is drift.
 */
export function hashAsLeft(live: LiveObjects, applied: KubernetesObject): string {
  const record = live.observe(applied);
  const isNewest = record.resourceVersion === applied.metadata.resourceVersion;
  return isNewest ? record.ownedHash : ownedHashOf(applied);
}

/** Versions of one object are numbers without leading zeros (KEP-5504), too long for a double. */
export const isOlder = (left: string, right: string): boolean =>
  left.length === right.length ? left < right : left.length < right.length;

export function createLiveObjects(dependencies: LiveObjectsDependencies): LiveObjects {
  const { cluster, clock, namespaces, judge, judgeReady, onChange, signal } = dependencies;
  const timers = createTimers(signal);
  const records = new Map<string, LiveRecord>();
  const texts = new Map<string, Set<string>>();
  const kinds = new Map<string, Followed>();
  const kindOf = (key: ObjectKey): string => `${key.group}/${key.kind}`;

  const put = (text: string, record: LiveRecord | undefined) => {
    const before = records.get(text);
    if (before && before.partOf !== record?.partOf) texts.get(before.partOf)?.delete(text);
    if (!record) {
      records.delete(text);
      return;
    }
    records.set(text, record);
    const set = texts.get(record.partOf) ?? new Set();
    texts.set(record.partOf, set.add(text));
  };

  const recordOf = (object: KubernetesObject, before: LiveRecord | undefined): LiveRecord => {
    const { metadata } = object;
    const key = before?.key ?? objectKey(object);
    const now = clock.now();
    const isNew = before?.uid !== metadata.uid;
    const expectsStatus =
      kinds.get(kindOf(key))?.hasStatus === true &&
      now - Date.parse(metadata.creationTimestamp ?? '') < firstStatusMsMax;
    const { health, message } = judge(object, { expectsStatus });
    const since = isNew ? undefined : before?.progressingSinceMs;
    return {
      key,
      apiVersion: before?.apiVersion === object.apiVersion ? before.apiVersion : object.apiVersion,
      uid: metadata.uid ?? '',
      partOf: metadata.labels?.[partOfLabel] ?? '',
      owner: metadata.annotations?.[ownerAnnotation] ?? '',
      keepReason: reasonToStay(object),
      ownerUids: metadata.ownerReferences?.map((owner) => owner.uid) ?? none,
      contains: containsOf(object),
      reconcileDisabled: isReconcileDisabled(metadata),
      rivals: rivalTools(object, fieldManager),
      position: positionOf(object),
      resourceVersion: metadata.resourceVersion ?? '0',
      ownedHash: ownedHashOf(object),
      health,
      message,
      isLeaving: metadata.deletionTimestamp !== undefined,
      finalizers: metadata.deletionTimestamp === undefined ? none : finalizersOf(object),
      progressingSinceMs: health === 'Progressing' ? (since ?? now) : undefined,
      podSelector: health === 'Healthy' ? '' : podSelectorOf(object),
    };
  };

  const take = (object: KubernetesObject, isRejudged = false): LiveRecord => {
    const text = objectKeyText(objectKey(object));
    const before = records.get(text);
    const version = object.metadata.resourceVersion ?? '0';
    if (before && isOlder(version, before.resourceVersion)) return before;
    // The watch repeats what the answer to our own write has said.
    const isRepeated = before?.resourceVersion === version && before.uid === object.metadata.uid;
    if (isRepeated && !isRejudged) return before;
    const after = recordOf(object, before);
    const isOwned = after.partOf !== '';
    put(text, isOwned ? after : undefined);
    onChange({ text, before, after: isOwned ? after : undefined, object });
    if (isOwned && after.health === 'Progressing' && object.status === undefined) {
      rejudgeLater(text, object);
    }
    return after;
  };

  // Only an object without a status is held, and only until it has had the time to get one.
  const rejudgeLater = (text: string, object: KubernetesObject) => {
    timers.later(firstStatusMsMax, () => {
      const current = records.get(text);
      if (current?.resourceVersion === object.metadata.resourceVersion) take(object, true);
    });
  };

  const lose = (text: string, object: KubernetesObject | undefined) => {
    const before = records.get(text);
    if (!before) return;
    const version = object?.metadata.resourceVersion;
    if (version !== undefined && isOlder(version, before.resourceVersion)) return;
    put(text, undefined);
    onChange({ text, before, after: undefined, object });
  };

  const onEvent = (kind: string, followed: Followed, watched: Watched, event: WatchEvent) => {
    switch (event.type) {
      case 'listing':
        watched.seen = new Set();
        return;
      case 'present':
      case 'changed':
        watched.seen?.add(objectKeyText(objectKey(event.object)));
        take(event.object);
        return;
      case 'gone':
        lose(objectKeyText(objectKey(event.object)), event.object);
        return;
      case 'listed': {
        const { seen, namespace } = watched;
        watched.seen = undefined;
        for (const [text, { key }] of seen ? records : []) {
          const isHere = namespace === '' || key.namespace === namespace;
          if (isHere && kindOf(key) === kind && !seen?.has(text)) lose(text, undefined);
        }
        watched.isListed = true;
        if (followed.watches.some(({ isListed }) => !isListed)) return;
        followed.isListed = true;
        followed.lastError = undefined;
        followed.settle.resolve();
        return;
      }
      case 'interrupted':
        followed.lastError = event.error;
        return;
    }
  };

  const start = async (apiVersion: string, kind: string, name: string): Promise<Followed> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const followed: Followed = {
      listed: promise,
      settle: { resolve, reject },
      isListed: false,
      hasStatus: false,
      watches: [],
      lastError: undefined,
    };
    promise.catch(() => {});
    kinds.set(name, followed);
    let isNamespaced: boolean;
    try {
      const resource = await cluster.resourceOf(apiVersion, kind, signal);
      followed.hasStatus = resource?.hasStatus ?? false;
      isNamespaced = resource?.namespaced ?? true;
      await judgeReady(apiVersion, kind);
    } catch (error) {
      kinds.delete(name);
      followed.settle.reject(error);
      throw error;
    }
    // An agent of some namespaces has no right to look at what lives in none, and owns nothing there.
    const places = isNamespaced ? (namespaces ?? ['']) : namespaces ? [] : [''];
    if (places.length === 0) {
      followed.isListed = true;
      followed.settle.resolve();
    }
    followed.watches.push(
      ...places.map((namespace) => ({ namespace, seen: undefined, isListed: false })),
    );
    for (const watched of followed.watches) {
      const { namespace } = watched;
      const watch = { apiVersion, kind, namespace, labelSelector: partOfLabel, signal };
      cluster.watch(watch, (event) => onEvent(name, followed, watched, event));
    }
    return followed;
  };

  return {
    follow: async (apiVersion, kind) => {
      const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
      const name = `${group}/${kind}`;
      const followed = kinds.get(name) ?? (await start(apiVersion, kind, name));
      if (!followed.isListed) await firstList(followed, `${apiVersion} ${kind}`, signal);
    },
    get: (text) => records.get(text),
    ofApplySet: (applySetId) =>
      [...(texts.get(applySetId) ?? [])].flatMap((text) => records.get(text) ?? []),
    sizeOfApplySet: (applySetId) => texts.get(applySetId)?.size ?? 0,
    observe: (object) => {
      const key = objectKey(object);
      const text = objectKeyText(key);
      for (const { seen } of kinds.get(kindOf(key))?.watches ?? []) seen?.add(text);
      return take(object);
    },
    judgeAgain: (object) => void take(object, true),
  };
}

async function firstList(followed: Followed, name: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const refuse = () => {
    const reason = followed.lastError?.message ?? `no answer within ${watchFirstListMsMax} ms`;
    const code = followed.lastError?.code ?? 'unavailable';
    reject(new ClusterError(code, `objects of ${name} cannot be watched: ${reason}`));
  };
  const timer = setTimeout(refuse, watchFirstListMsMax);
  // A refusal is told soon; a lost connection may pass.
  const early = setInterval(() => followed.lastError?.code === 'forbidden' && refuse(), 200);
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([followed.listed, promise]);
  } finally {
    clearTimeout(timer);
    clearInterval(early);
    signal.removeEventListener('abort', stop);
  }
}

const podOwners = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job']);

function podSelectorOf({ kind, spec }: KubernetesObject): string {
  if (!podOwners.has(kind) || typeof spec !== 'object' || spec === null) return '';
  const { selector } = spec as { selector?: { matchLabels?: Record<string, string> } };
  return Object.entries(selector?.matchLabels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

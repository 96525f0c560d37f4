import { type KubernetesObject, objectKey } from '@fairlead/shared/manifest';
import { err, ok, type Result } from '@fairlead/shared/result';
import { unitIdOf } from '../link/index.ts';
import { ownerAnnotation, ownerText, partOfLabel } from '../plan/index.ts';
import type { VerificationRun } from './run.ts';

/** Which run a Job belongs to; no unit prunes it, because it carries no ApplySet's label. */
export const runLabel = 'fairlead.dev/verification-run';

/** A Kubernetes name that is also a label's value, as Jobs put theirs on their Pods. */
const jobNameLengthMax = 63;
/** A Job whose agent never comes back goes by itself after this time; the agent removes it long before. */
const jobLeftSeconds = 7 * 24 * 3_600;

/**
 * The Job of a run, out of the objects of its file. Its name follows from the run's id, so that however often the agent
 * starts it finds the Job again and never makes a second one. What the Job says of its own time to live does not count:
 * the agent must still find it after it has ended.
 */
export function jobOf(
  objects: readonly KubernetesObject[],
  run: VerificationRun,
): Result<KubernetesObject, string> {
  const { runId, file, timeoutMs, assignment } = run;
  const [job, ...others] = objects;
  if (!job || others.length > 0 || job.apiVersion !== 'batch/v1' || job.kind !== 'Job') {
    const found = objects.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`).join(', ');
    return err(`${file} must hold exactly one batch/v1 Job, and holds ${found || 'nothing'}`);
  }
  const { name, labels = {}, annotations } = job.metadata;
  const spec = (job.spec ?? {}) as { activeDeadlineSeconds?: unknown };
  const namespace = job.metadata.namespace || assignment.apply.namespace || 'default';
  const { [partOfLabel]: _, ...ownLabels } = labels;
  const stem = name.slice(0, jobNameLengthMax - 1 - runId.length).replace(/[^a-z0-9]+$/, '');
  const metadata = { name: stem === '' ? runId : `${stem}-${runId}`, namespace };
  const key = objectKey({ ...job, metadata });
  return ok({
    apiVersion: job.apiVersion,
    kind: job.kind,
    metadata: {
      ...metadata,
      labels: { ...ownLabels, [runLabel]: runId },
      annotations: {
        ...annotations,
        [ownerAnnotation]: ownerText(unitIdOf(assignment), key),
      },
    },
    spec: {
      ...spec,
      // The Job ends in time also where nobody is there to stop it.
      activeDeadlineSeconds: deadlineSeconds(spec.activeDeadlineSeconds, timeoutMs),
      ttlSecondsAfterFinished: jobLeftSeconds,
    },
  });
}

function deadlineSeconds(own: unknown, timeoutMs: number): number {
  const ofRun = Math.max(1, Math.ceil(timeoutMs / 1_000));
  return typeof own === 'number' && own > 0 ? Math.min(own, ofRun) : ofRun;
}

export const ownedByRun = (object: KubernetesObject, { runId }: VerificationRun): boolean =>
  object.metadata.labels?.[runLabel] === runId;

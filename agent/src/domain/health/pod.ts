import type { KubernetesObject } from '@fairlead/shared/manifest';
import { conditionOf, listOf, mappingAt, specOf, statusOf, textOf } from './read.ts';
import { degraded, healthy, type ObjectHealth, progressing, unknown } from './state.ts';

type ContainerTrouble = { readonly reason: string; readonly message: string };

// The kubelet's reasons for a container that cannot start: ErrImagePull, ImagePullBackOff, InvalidImageName,
// CreateContainerConfigError, RunContainerError, CrashLoopBackOff and their like.
const isFailure = (reason: string): boolean =>
  reason.startsWith('Err') || /(Error|BackOff|InvalidImageName)$/.test(reason);

const containersOf = (status: ReturnType<typeof statusOf>): readonly unknown[] => [
  ...listOf(status.initContainerStatuses),
  ...listOf(status.containerStatuses),
];

function troubles(status: ReturnType<typeof statusOf>): readonly ContainerTrouble[] {
  return containersOf(status).flatMap((container) => {
    const waiting = mappingAt(container, 'state', 'waiting');
    const reason = textOf(waiting.reason);
    const message = textOf(waiting.message);
    return isFailure(reason)
      ? [{ reason, message: message ? `${reason}: ${message}` : reason }]
      : [];
  });
}

/** What keeps a pod from running, in the kubelet's or the scheduler's words; empty when nothing is known. */
export function podTrouble(pod: KubernetesObject): string {
  const status = statusOf(pod);
  const [first] = troubles(status);
  if (first) return first.message;
  for (const container of containersOf(status)) {
    const ended = mappingAt(container, 'state', 'terminated');
    if (typeof ended.exitCode === 'number' && ended.exitCode !== 0) {
      return `${textOf(ended.reason) || 'Error'}: exit code ${ended.exitCode}`;
    }
  }
  const scheduled = conditionOf(status, 'PodScheduled');
  if (scheduled?.status === 'False') return `${scheduled.reason}: ${scheduled.message}`;
  return status.phase === 'Failed' ? textOf(status.message) || textOf(status.reason) : '';
}

/** A pod that may restart serves, so it is healthy when ready; one that must end is on its way until it has ended. */
export function podHealth(pod: KubernetesObject): ObjectHealth {
  const status = statusOf(pod);
  const found = troubles(status);
  const serves = servesForever(pod);
  const fatal = found.find(({ reason }) => serves || reason !== 'CrashLoopBackOff');
  if (status.phase !== 'Succeeded' && fatal) return degraded(fatal.message);
  switch (status.phase) {
    case 'Succeeded':
      return healthy('the pod has completed');
    case 'Failed':
      return degraded(podTrouble(pod) || 'the pod has failed');
    case 'Running':
      if (!serves) return progressing(found[0]?.message ?? 'the pod runs towards its end');
      if (conditionOf(status, 'Ready')?.status === 'True') return healthy();
      return hasCrashed(status)
        ? degraded(podTrouble(pod) || 'a container has ended and is not ready again')
        : progressing('the containers are not ready yet');
    case 'Pending':
      return progressing(podTrouble(pod) || 'the pod is pending');
    case undefined:
      return progressing('the pod has no status yet');
    default:
      return unknown(textOf(status.message) || 'the node does not report');
  }
}

const hasCrashed = (status: ReturnType<typeof statusOf>): boolean =>
  listOf(status.containerStatuses).some(
    (container) =>
      mappingAt(container).ready !== true &&
      (mappingAt(container, 'lastState').terminated !== undefined ||
        mappingAt(container, 'state').terminated !== undefined),
  );

// Argo CD's annotation says that a pod serves although its policy says that it ends; on a hook it has no meaning.
function servesForever(pod: KubernetesObject): boolean {
  const policy = textOf(specOf(pod).restartPolicy) || 'Always';
  const annotations = pod.metadata.annotations ?? {};
  return (
    policy === 'Always' ||
    (annotations['argocd.argoproj.io/ignore-restart-policy'] === 'true' &&
      annotations['argocd.argoproj.io/hook'] === undefined)
  );
}

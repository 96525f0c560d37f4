import { approvalPolicyDefault, gatePolicyDefault } from './defaults.ts';
import type { ApprovalPolicy, GatePolicy } from './definition.ts';
import { approvalsRequiredMax, statusCharactersMax, statusesMax } from './limits.ts';
import { readPeople } from './names.ts';
import { parseMetrics, parseVerifications } from './parse-checks.ts';
import { parseWindows } from './parse-windows.ts';
import {
  fault,
  isAbsent,
  type Node,
  readBoolean,
  readChoice,
  readCount,
  readDistinct,
  readDuration,
  readMapping,
  readText,
} from './reader.ts';

export function parseGates(node: Node): GatePolicy {
  const at = readMapping(node, {
    known: ['soak', 'approvals', 'windows', 'verifications', 'metrics', 'statuses'],
  });
  const approvals = parseApprovals(at('approvals'));
  return {
    ...parseSoak(at('soak')),
    ...(approvals === undefined ? {} : { approvals }),
    windows: parseWindows(at('windows')),
    verifications: parseVerifications(at('verifications')),
    metrics: parseMetrics(at('metrics')),
    statuses: readDistinct(at('statuses'), statusesMax, readStatus),
  };
}

/** A duration, or a mapping that also says what an unhealthy or unknown time does. */
function parseSoak(node: Node): Pick<GatePolicy, 'soakMs' | 'soakUnhealthy' | 'soakUnknown'> {
  const isMapping = typeof node.value === 'object' && !isAbsent(node);
  const at = readMapping(isMapping ? node : { ...node, value: undefined }, {
    known: ['duration', 'unhealthy', 'unknown'],
  });
  if (isMapping && isAbsent(at('duration'))) fault(at('duration'), 'is missing');
  const { soakMs, soakUnhealthy, soakUnknown } = gatePolicyDefault;
  return {
    soakMs: readDuration(isMapping ? at('duration') : node, { fallbackMs: soakMs }),
    soakUnhealthy: readChoice(at('unhealthy'), ['reset', 'pause'], soakUnhealthy),
    soakUnknown: readChoice(at('unknown'), ['reset', 'pause'], soakUnknown),
  };
}

function parseApprovals(node: Node): ApprovalPolicy | undefined {
  if (isAbsent(node)) return undefined;
  const at = readMapping(node, {
    known: [
      'required',
      'from',
      'including',
      'excludeAuthor',
      'excludeRequester',
      'expiresAfter',
      'strict',
      'recheckVoters',
    ],
  });
  const fallback = approvalPolicyDefault;
  const required = readCount(at('required'), {
    fallback: fallback.required,
    min: 1,
    max: approvalsRequiredMax,
  });
  const from = readPeople(at('from'));
  if (from.length > 0 && from.length < required && from.every((name) => name.startsWith('user:'))) {
    fault(at('from'), `names fewer people than the ${required} whose approval is required`);
  }
  return {
    required,
    from,
    including: readPeople(at('including')),
    excludeAuthor: readBoolean(at('excludeAuthor'), fallback.excludeAuthor),
    excludeRequester: readBoolean(at('excludeRequester'), fallback.excludeRequester),
    expiresAfterMs: readDuration(at('expiresAfter'), { fallbackMs: fallback.expiresAfterMs }),
    strict: readBoolean(at('strict'), fallback.strict),
    recheckVoters: readBoolean(at('recheckVoters'), fallback.recheckVoters),
  };
}

function readStatus(node: Node): string {
  const text = readText(node);
  if (text !== text.trim() || text.length > statusCharactersMax || /\p{Cc}/u.test(text)) {
    fault(node, `must be the name of a status, of at most ${statusCharactersMax} characters`);
  }
  return text;
}

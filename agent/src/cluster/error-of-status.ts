import {
  ClusterError,
  type ClusterErrorCode,
  type FieldConflict,
  type FieldFault,
} from './port.ts';

type Status = {
  message?: string;
  reason?: string;
  details?: { causes?: { reason?: string; message?: string; field?: string }[] };
};

/** Translates an answer of the API server that is not a success; the message is the server's own. */
export function errorOfStatus(status: number, text: string, path: string): ClusterError {
  const answer = parseStatus(text);
  const conflicts = fieldConflicts(answer);
  const message = answer.message ?? `${path}: status ${status}`;
  return new ClusterError(codeOf(status, conflicts), message, {
    status,
    conflicts,
    faults: fieldFaults(answer),
  });
}

function codeOf(status: number, conflicts: readonly FieldConflict[]): ClusterErrorCode {
  switch (status) {
    case 401:
    case 403:
      return 'forbidden';
    case 404:
      return 'not_found';
    case 409:
      return conflicts.length > 0 ? 'conflict' : 'precondition_failed';
    case 410:
      return 'precondition_failed';
    case 400:
    case 405:
    case 413:
    case 415:
    case 422:
      return 'invalid';
    default:
      return 'unavailable';
  }
}

// The manager is part of the cause's text: `conflict with "kubectl" using apps/v1`.
const managerPattern = /conflict with "([^"]+)"/;

const fieldConflicts = (answer: Status): FieldConflict[] =>
  (answer.details?.causes ?? [])
    .filter((cause) => cause.reason === 'FieldManagerConflict')
    .map((cause) => ({
      manager: managerPattern.exec(cause.message ?? '')?.[1] ?? 'unknown',
      field: cause.field ?? '',
    }));

const fieldFaults = (answer: Status): FieldFault[] =>
  (answer.details?.causes ?? [])
    .filter((cause) => cause.reason?.startsWith('FieldValue'))
    .map(({ reason = '', field = '', message = '' }) => ({ reason, field, message }));

function parseStatus(text: string): Status {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return { message: text.slice(0, 500).trim() || undefined };
  }
}

export type ProblemEntry = {
  readonly status: number;
  readonly meaning: string;
  readonly remedy: string;
};

const entries = {
  document_invalid: {
    status: 422,
    meaning: 'The document has faults; each is listed with its path.',
    remedy: 'Correct the listed places and send it again. Nothing was changed.',
  },
  request_invalid: {
    status: 400,
    meaning: 'The request does not have the form that the API describes.',
    remedy: 'Compare it with /api/v1/openapi.json.',
  },
  unauthenticated: {
    status: 401,
    meaning: 'No valid token came with the request.',
    remedy: 'Send `Authorization: Bearer <token>`, or set FAIRLEAD_TOKEN for the command line.',
  },
  forbidden: {
    status: 403,
    meaning: 'The token does not allow this.',
    remedy: 'Use a token with the needed permission.',
  },
  not_found: {
    status: 404,
    meaning: 'Nothing has that name.',
    remedy: 'List the resources of that kind to see the names that exist.',
  },
  already_exists: {
    status: 409,
    meaning: 'Something else has that name already.',
    remedy: 'Choose another name, or change the existing one.',
  },
  version_conflict: {
    status: 409,
    meaning: 'Somebody else changed the same thing at the same time.',
    remedy: 'Read it again and repeat the change.',
  },
  command_refused: {
    status: 409,
    meaning: 'The rules of the product do not allow this now.',
    remedy: 'The detail names the rule and what would clear it.',
  },
  payload_too_large: {
    status: 413,
    meaning: 'The request is larger than the limit that the detail names.',
    remedy: 'Send less at once.',
  },
  rate_limited: {
    status: 429,
    meaning: 'Too many requests of this kind came from one place.',
    remedy: 'Wait as long as Retry-After says.',
  },
  unavailable: {
    status: 503,
    meaning: 'A part that this needs does not answer.',
    remedy: 'Try again; `fairlead status` and /readyz name the part.',
  },
  internal: {
    status: 500,
    meaning: 'A fault of the hub.',
    remedy: 'The log has the cause under the request id of the answer.',
  },
} as const satisfies Record<string, ProblemEntry>;

export type ProblemCode = keyof typeof entries;

export const problemCatalogue: Readonly<Record<ProblemCode, ProblemEntry>> = entries;

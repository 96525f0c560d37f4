// The one catalogue of error codes that a person or a client can meet, each with its HTTP status, meaning and remedy,
// and the error that carries one. Adapters translate it to problem+json and to gRPC status, once each. Imports nothing.
export { type ProblemCode, type ProblemEntry, problemCatalogue } from './catalogue.ts';
export { type Fault, isProblem, type Problem, ProblemError, problem } from './problem.ts';

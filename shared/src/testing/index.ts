// Given-when-then for deciders: plain functions for tests, tied to no test runner. Imports `result` only.
export { type Decider, type DeciderSpecification, specify } from './decider-specification.ts';

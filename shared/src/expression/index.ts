// CEL expressions that people write: reading them with limits, so that hub and agent refuse the same ones with the same
// words. Evaluation is the agent's. Imports `result` and the CEL library.
export { expressionCharactersMax, type ParsedExpression, parseExpression } from './parse.ts';

// Fields of Kubernetes objects as agents tell of them, and plans made of them: values as JSON, bounded, whatever came. Nothing of it decides
// anything, so what is too much is cut and not refused. May import `limits` only.
export { type FieldValues, fieldValues } from './field-values.ts';
export type { PlanAnswer } from './plan-answer.ts';

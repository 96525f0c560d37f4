// Fields of Kubernetes objects as agents tell of them: values as JSON, bounded, whatever came. Nothing of it decides
// anything, so what is too much is cut and not refused. May import `limits` only.
export { type FieldValues, fieldValues } from './field-values.ts';

import { parseDuration } from '@fairlead/shared/time';
import { InvalidArgumentError } from 'commander';

export type PipelineReference = { readonly pipeline: string; readonly stage?: string };
export type StageReference = { readonly pipeline: string; readonly stage: string };

export function parseStageReference(text: string): StageReference {
  const [pipeline, stage, ...rest] = text.split('/');
  if (pipeline && stage && rest.length === 0) return { pipeline, stage };
  throw new InvalidArgumentError('Write it as PIPELINE/STAGE, such as checkout/production.');
}

/** A pipeline, or one stage of it. */
export function parsePipelineOrStage(text: string): PipelineReference {
  const [pipeline, stage, ...rest] = text.split('/');
  if (pipeline && rest.length === 0 && stage !== '') {
    return stage === undefined ? { pipeline } : { pipeline, stage };
  }
  throw new InvalidArgumentError('Write it as PIPELINE or PIPELINE/STAGE.');
}

export function parseTimeArgument(text: string): string {
  const at = /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw new InvalidArgumentError('Write it with its offset, such as 2026-12-24T18:00:00Z.');
}

/** Repeatable `key=value`. */
export function collectLabel(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const split = text.indexOf('=');
  if (split < 1) throw new InvalidArgumentError('Write it as key=value.');
  return { ...before, [text.slice(0, split)]: text.slice(split + 1) };
}

export function parseCommitArgument(text: string): string {
  if (/^[0-9a-f]{7,64}$/.test(text)) return text;
  throw new InvalidArgumentError('Give a commit id, or its first 7 or more lower-case hex digits.');
}

export function parseFullCommitArgument(text: string): string {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text)) return text;
  throw new InvalidArgumentError('Give the full commit id of 40 or 64 lower-case hex digits.');
}

/** Repeatable. */
export const collectText = (text: string, before: readonly string[] = []): string[] => [
  ...before,
  text,
];

/** Names with "," between them. */
export const parseListArgument = (text: string): string[] =>
  text.split(',').map((part) => part.trim());

export function parseDurationArgument(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok) return parsed.value;
  throw new InvalidArgumentError(`It ${parsed.error}.`);
}

export function parsePositiveInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Give a whole number above 0.');
}

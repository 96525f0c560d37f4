import { err, type Result } from '@fairlead/shared/result';
import type { PipelineRejection } from './commands.ts';
import type { PipelineEvent } from './events.ts';

export type Decision = Result<PipelineEvent[], PipelineRejection>;

export const refuse = (code: PipelineRejection['code'], detail: string): Decision =>
  err({ code, detail });

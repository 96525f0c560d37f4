import {
  type ClusterName,
  type PipelineName,
  type ProjectName,
  parseName,
  type RepositoryName,
  type StageName,
} from '@fairlead/shared/ids';
import { ProblemError, problem } from '@fairlead/shared/problem';

type Name = ClusterName | PipelineName | ProjectName | RepositoryName | StageName;

/** A name of a request as the core takes it; `path` is where the request gave it. */
export function parsedName<Kind extends Name>(text: string, path: string): Kind {
  const parsed = parseName<Kind>(text);
  if (parsed.ok) return parsed.value;
  throw new ProblemError(
    problem('request_invalid', `"${text.slice(0, 80)}" is not a name.`, [
      { path, message: parsed.error },
    ]),
  );
}
